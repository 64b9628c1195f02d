"""A piece of long work of one visitor: watched, stopped, abandoned, and limited in time."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from arcinvert import Step, StopInversion
from arcinvert.inversion.progress import RunProgress
from recognition.images import to_uint8

from .updates import Ending, Frame, Preparing, Progress, Started, Update, Waiting

#: Seconds between two frames. With more frames the browser would be busier than the attack.
FRAME_INTERVAL = 0.4
#: Seconds between two looks at the place in the queue.
PLACE_INTERVAL = 0.5

CANCELLED = "Cancelled."


class Abandoned(BaseException):
    """The result is no longer needed; the text, if there is one, says why.

    It is no `Exception`, so that nothing that catches errors of files or networks takes it for one.
    """


class Line(Protocol):
    """What a job asks of the queue that it is in."""

    def place(self, job: "Job") -> Waiting | None:
        """Return a job's place; None if it does not wait."""
        ...

    def absent(self, job: "Job") -> bool:
        """Return whether a job's visitor has not listened for longer than is allowed."""
        ...


#: What a job does: it gets the job, and passes `Job.progress` to the attack.
Work = Callable[["Job"], Any]


class Job:
    """A piece of work that `Jobs` runs.

    Args:
        work: Gets the job, and returns the result.
        limit: The number of seconds after which the work is stopped.
        every: The largest number of steps between two frames, which need not all be due; 0 leaves it to the
            time.
        parts: The number of attacks that the work makes.
        stoppable: Whether the work has a result when it is stopped half-way; otherwise it is cancelled.
        session: The visitor's session.
        jobs: The queue that the job is in.
    """

    def __init__(
        self,
        work: Work,
        *,
        limit: float,
        every: int = 0,
        parts: int = 1,
        stoppable: bool = True,
        session: str = "",
        jobs: Line,
    ) -> None:
        self._work, self._limit, self._every, self._parts = work, limit, every, parts
        self._jobs, self._stoppable = jobs, stoppable
        self.session = session
        #: When the visitor's browser listened last.
        self.listened_at = time.monotonic()
        self._updates: queue.SimpleQueue[Update | None] = queue.SimpleQueue()
        self._stop, self._abandon, self._ended = threading.Event(), threading.Event(), threading.Event()
        self._begin = self._part_begin = self.listened_at
        self._last_frame = 0.0
        self._part, self._steps = 0, RunProgress()
        self._newest: Progress | Preparing | None = None
        self._first: int | None = None
        self._stage, self._stage_begin = "", (0, 0.0)
        #: Whether a step was made, so that there is something to keep.
        self._has_steps = False
        self._why = ""
        self._result: Any = None
        self._error: BaseException | None = None
        self.started = False
        self.timed_out = False
        #: What the work is about; whoever started it sets and reads it.
        self.about: Any = None

    @property
    def stopped(self) -> bool:
        """Whether the job was stopped, by the visitor or by the time limit."""
        return self._stop.is_set()

    @property
    def abandoned(self) -> bool:
        """Whether the result is no longer needed."""
        return self._abandon.is_set()

    def stop(self) -> None:
        """End the job after the current step, and keep the result so far; one that waits is cancelled."""
        if self.started and self._stoppable and self._has_steps:
            self._stop.set()
            self._updates.put(Ending("Stopping"))
        else:
            if self.started:
                self._updates.put(Ending("Cancelling"))
            self.abandon(CANCELLED)

    def abandon(self, why: str = "") -> None:
        """End the job after the current step, and keep nothing.

        Args:
            why: What the visitor reads; nothing if there is nobody to read it.
        """
        if not self.abandoned:
            self._why = why
            self._abandon.set()
        if not self.started:
            self.finish(error=Abandoned(self._why))

    def updates(self) -> Iterator[Update]:
        """Yield the place in the queue, the start, and steps, until the job ends.

        Closing the iterator early abandons the job.
        """
        shown: Waiting | None = None
        try:
            while True:
                try:
                    update = self._updates.get(timeout=None if self.started else PLACE_INTERVAL * bool(shown))
                except queue.Empty:
                    place = self._jobs.place(self)
                    if place is not None and place != shown:
                        yield place
                    shown = place or Waiting(0, 0)
                    continue
                if update is None:
                    return
                yield update
        finally:
            if not self._ended.is_set():
                self.abandon()

    def result(self) -> Any:
        """Wait for the job to end, and return what the work returned, or raise what it raised."""
        self._ended.wait()
        if self._error is not None:
            raise self._error
        return self._result

    def begin_part(self, part: int) -> None:
        """Start to count the steps and the time of another attack within the job."""
        self._part, self._part_begin, self._steps = part, time.monotonic(), RunProgress()

    def seconds_left(self, typical: float) -> float:
        """Return the estimated number of seconds until the job ends.

        Args:
            typical: The seconds that a job takes, for one that has made no step yet.
        """
        newest = self._newest
        if newest is None:
            return typical
        if isinstance(newest, Preparing):
            return (newest.seconds_left or 0.0) + typical
        part = newest.part if isinstance(newest, Frame) else 0
        whole = newest.seconds / newest.step * newest.steps
        return newest.seconds_left + whole * (self._parts - 1 - part)

    def progress(self, step: Step) -> None:
        """Receive a step of an attack; the callback `progress` of `arcinvert.Attacker`.

        Raises:
            Abandoned: If the job is abandoned.
            StopInversion: If the job is stopped.
        """
        now = self.check()
        self._has_steps = True
        number, steps = self._steps.of(step)
        is_due = number in (1, steps) or now - self._last_frame > FRAME_INTERVAL or self.stopped
        if is_due or bool(self._every and number % self._every == 0):
            frame = Frame(number, steps, now - self._part_begin, to_uint8(step.images()), self._part, is_due)
            self._updates.put(frame)
            self._newest = frame
            if is_due:
                self._last_frame = now
        if self.stopped:
            raise StopInversion

    def prepare(self, text: str, done: int, total: int, *, is_limited: bool = True) -> None:
        """Receive how much is done of what comes before the first step; called as often as one likes.

        Args:
            text: What it is, for the visitor.
            done: How much is done.
            total: Of how much.
            is_limited: Whether the time limit counts it. What is done once for all visitors would begin anew
                with each of them.

        Raises:
            Abandoned: If the job is abandoned, or the time is over.
        """
        now = time.monotonic()
        if not is_limited:
            self._begin = now
        self.check()
        self._part_begin = now
        if text != self._stage:
            self._stage, self._stage_begin = text, (done, now)
        elif now - self._last_frame <= FRAME_INTERVAL and done < total:
            return
        first, begin = self._stage_begin
        left = (now - begin) / (done - first) * (total - done) if done > first else None
        self._last_frame, self._newest = now, Preparing(text, done, total, left)
        self._updates.put(self._newest)

    def advance(self, done: int, steps: int) -> None:
        """Receive the number of steps done of work that makes no pictures.

        Raises:
            Abandoned: If the job is abandoned, or the time is over.
        """
        now = self.check()
        if self._first is None:
            # What came before the first step says nothing about the time of the others.
            self._first, self._part_begin = done, now
        elif done == steps or now - self._last_frame > FRAME_INTERVAL:
            each = (now - self._part_begin) / max(1, done - self._first)
            self._show(Progress(done, steps, each * done), now)

    def run(self) -> None:
        """Do the work in this thread."""
        self._begin = self._part_begin = time.monotonic()
        self.started = True
        self._updates.put(Started())
        try:
            if self.abandoned:
                raise Abandoned(self._why)
            self.finish(self._work(self))
        except BaseException as error:
            # `result` raises it in the thread that calls it. Its traceback holds the attack's tensors.
            self.finish(error=error)

    def finish(self, result: Any = None, error: BaseException | None = None) -> None:
        """End the job with a result or an error."""
        if self._ended.is_set():
            return
        self._result, self._error = result, error
        self._ended.set()
        self._updates.put(None)

    def check(self) -> float:
        """Return the time, unless the job shall end.

        Raises:
            Abandoned: If the job is abandoned, nobody listens, or the time is over and nothing can be kept.
        """
        if self._jobs.absent(self):
            self.abandon()
        if self.abandoned:
            raise Abandoned(self._why)
        now = time.monotonic()
        if now - self._begin > self._limit:
            self.timed_out = True
            if not self._stoppable or not self._has_steps:
                raise Abandoned(
                    f"This takes longer than the {self._limit:g} seconds that the server allows. Choose less."
                )
            self._stop.set()
        return now

    def _show(self, progress: Progress, now: float) -> None:
        self._last_frame, self._newest = now, progress
        self._updates.put(progress)
