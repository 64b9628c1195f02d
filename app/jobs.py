"""Attacks in threads of their own: one at a time, watched, stopped, abandoned, limited in time."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.inversion.result import Step, StopInversion
from recognition.images import to_uint8

#: Seconds between two frames: more would keep the browser busier than the attack.
FRAME_INTERVAL = 0.4
#: Seconds within which an abandoned job must have ended: a step and the loading of a network.
ENDING = 30.0


class Abandoned(Exception):  # noqa: N818  (nothing went wrong)
    """Nobody wants the result any more."""


@dataclass(frozen=True)
class Frame:
    """How far a job is.

    Args:
        step: from 1; steps: of how many.
        images: uint8 NHWC, what there is so far.
        seconds: since this attack of the job began.
        part: which of several attacks of the job it is, from 0.
    """

    step: int
    steps: int
    images: NDArray[np.uint8]
    seconds: float
    part: int = 0

    @property
    def seconds_left(self) -> float:
        return self.seconds / self.step * (self.steps - self.step)


#: What a job does: it is given the progress for arcinvert's api, and the number of an attack's part.
Work = Callable[["Job"], Any]


class Job:
    """A piece of work in a thread.

    Args:
        work: is given the job, whose `progress` it passes on; returns the result.
        limit: seconds after which it is stopped.
        every: a frame at least each so many steps; 0 for no more than time asks for.
    """

    # Who came last: each waits for the one before it. A lock would let later ones overtake.
    _last: threading.Thread | None = None
    _arrival = threading.Lock()

    def __init__(self, work: Work, *, limit: float, every: int = 0) -> None:
        self._work, self._limit, self._every = work, limit, every
        self._frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._stop, self._abandon = threading.Event(), threading.Event()
        self._begin = self._part_begin = self._last_frame = 0.0
        self._part = 0
        self._result: Any = None
        self._error: BaseException | None = None
        self.timed_out = False
        with Job._arrival:
            before = Job._last
            self._thread = threading.Thread(target=self._run, args=(before,), daemon=True, name="attack")
            Job._last = self._thread
            self._thread.start()

    @property
    def stopped(self) -> bool:
        """Whether somebody asked it to stop, or its time is up."""
        return self._stop.is_set()

    def stop(self) -> None:
        """End soon, and keep what there is."""
        self._stop.set()

    def abandon(self) -> None:
        """End soon, and keep nothing."""
        self._abandon.set()

    def frames(self) -> Iterator[Frame]:
        """What there is to see, until the job ends; leaving early abandons it."""
        try:
            while (frame := self._frames.get()) is not None:
                yield frame
        finally:
            self.abandon()
            self._thread.join(ENDING)

    def result(self) -> Any:
        """What the work returned, after the last frame; raises what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result

    def begin_part(self, part: int) -> None:
        """Tell the frames which attack they are of."""
        self._part, self._part_begin = part, time.monotonic()

    def progress(self, batch: int, batches: int, step: Step) -> None:
        """Of arcinvert's api."""
        if self._abandon.is_set():
            raise Abandoned
        now = time.monotonic()
        if now - self._begin > self._limit:
            self.timed_out = True
            self.stop()
        steps, number = step.steps * batches, (batch - 1) * step.steps + step.number
        wanted = number in (1, steps) or bool(self._every and number % self._every == 0)
        if wanted or now - self._last_frame > FRAME_INTERVAL or self.stopped:
            self._last_frame = now
            images = to_uint8(step.images())
            self._frames.put(Frame(number, steps, images, now - self._part_begin, self._part))
        if self.stopped:
            raise StopInversion

    def _run(self, before: threading.Thread | None) -> None:
        try:
            if before is not None:
                before.join()
            if self._abandon.is_set():
                raise Abandoned
            self._begin = self._part_begin = time.monotonic()
            self._result = self._work(self)
        except BaseException as error:
            # Told by `result`, in the thread that asks.
            self._error = error
        finally:
            self._frames.put(None)


class Jobs:
    """The running job of each visitor, by the visitor's session."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def start(self, session: str | None, work: Work, *, limit: float, every: int = 0) -> Job:
        """A visitor has one job: an earlier one is abandoned."""
        key = session or ""
        self.abandon(key)
        self._jobs[key] = Job(work, limit=limit, every=every)
        return self._jobs[key]

    def stop(self, session: str | None) -> None:
        """Stop the visitor's job, if there is one, and keep what there is."""
        if job := self._jobs.get(session or ""):
            job.stop()

    def abandon(self, session: str | None) -> None:
        """Forget the visitor."""
        if job := self._jobs.pop(session or "", None):
            job.abandon()
