"""Attacks in threads of their own: one at a time, with a time limit; they can be stopped or abandoned."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert import Step, StopInversion
from arcinvert.inversion.progress import RunProgress
from recognition.images import to_uint8

#: Seconds between two frames. With more frames the browser would be busier than the attack.
FRAME_INTERVAL = 0.4
#: Seconds that an abandoned job may take to end: a step and the loading of a network.
JOIN_TIMEOUT = 30.0


class Abandoned(Exception):  # noqa: N818  (nothing went wrong)
    """The visitor has left or started another job: the result is no longer needed."""


@dataclass(frozen=True)
class Frame:
    """The state of a job after a step.

    Args:
        step: The number of the step, from 1.
        steps: The number of steps of the attack.
        images: The images so far, uint8 NHWC.
        seconds: The seconds since the attack began.
        part: The number of the attack within the job, from 0.
    """

    step: int
    steps: int
    images: NDArray[np.uint8]
    seconds: float
    part: int = 0

    @property
    def seconds_left(self) -> float:
        """The estimated number of seconds until the attack ends."""
        return self.seconds / self.step * (self.steps - self.step)


#: What a job does: it gets the job, and passes `Job.progress` to the attack.
Work = Callable[["Job"], Any]


class Job:
    """A piece of work in a thread, which starts when the job before it has ended.

    Args:
        work: Gets the job, and returns the result.
        limit: The number of seconds after which the work is stopped.
        every: The largest number of steps between two frames; 0 leaves it to the time.
    """

    # Each job waits for the one before it. With a lock, later jobs could overtake earlier ones.
    _last: threading.Thread | None = None
    _arrival = threading.Lock()

    def __init__(self, work: Work, *, limit: float, every: int = 0) -> None:
        self._work, self._limit, self._every = work, limit, every
        self._frames: queue.SimpleQueue[Frame | None] = queue.SimpleQueue()
        self._stop, self._abandon = threading.Event(), threading.Event()
        self._begin = self._part_begin = self._last_frame = 0.0
        self._part, self._steps = 0, RunProgress()
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
        """Whether the job was stopped, by the visitor or by the time limit."""
        return self._stop.is_set()

    def stop(self) -> None:
        """End the job after the current step, and keep the result so far."""
        self._stop.set()

    def abandon(self) -> None:
        """End the job after the current step, and keep nothing."""
        self._abandon.set()

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the job ends. Closing the iterator early abandons the job."""
        try:
            while (frame := self._frames.get()) is not None:
                yield frame
        finally:
            self.abandon()
            self._thread.join(JOIN_TIMEOUT)

    def result(self) -> Any:
        """Wait for the job to end, and return what the work returned, or raise what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result

    def begin_part(self, part: int) -> None:
        """Start to count the steps and the time of another attack within the job."""
        self._part, self._part_begin, self._steps = part, time.monotonic(), RunProgress()

    def progress(self, step: Step) -> None:
        """Receive a step of an attack; the callback `progress` of `arcinvert.Attacker`.

        Raises:
            Abandoned: If the job is abandoned.
            StopInversion: If the job is stopped.
        """
        if self._abandon.is_set():
            raise Abandoned
        now = time.monotonic()
        if now - self._begin > self._limit:
            self.timed_out = True
            self.stop()
        number, steps = self._steps.of(step)
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
            # `result` raises it in the thread that calls it.
            self._error = error
        finally:
            self._frames.put(None)


class Jobs:
    """The jobs of all visitors, by session."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    def start(self, session: str | None, work: Work, *, limit: float, every: int = 0) -> Job:
        """Start a job; the visitor's earlier job, if there is one, is abandoned."""
        key = session or ""
        self.abandon(key)
        self._jobs[key] = Job(work, limit=limit, every=every)
        return self._jobs[key]

    def stop(self, session: str | None) -> None:
        """Stop the visitor's job, if there is one, and keep the result so far."""
        if job := self._jobs.get(session or ""):
            job.stop()

    def abandon(self, session: str | None) -> None:
        """Abandon the visitor's job, if there is one."""
        if job := self._jobs.pop(session or "", None):
            job.abandon()
