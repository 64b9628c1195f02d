"""Long work in one thread: one job after the other, one of each visitor, with a place in the queue."""

import queue
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from arcinvert import InputError, Step, StopInversion
from arcinvert.inversion.progress import RunProgress
from recognition.images import to_uint8

from .updates import Frame, Progress, Started, Update, Waiting

#: Seconds between two frames. With more frames the browser would be busier than the attack.
FRAME_INTERVAL = 0.4
#: Seconds between two looks at the place in the queue.
PLACE_INTERVAL = 0.5
#: Seconds that a visitor's browser may take to connect, or to connect again, before the job is dropped.
GRACE = 5.0
#: Seconds between two looks for a visitor who connects.
CONNECT_INTERVAL = 0.05
#: Seconds that a job is assumed to take as long as none has ended.
TYPICAL_SECONDS = 30.0
#: Seconds that the running job may take to end when the server ends.
CLOSE_TIMEOUT = 20.0

CANCELLED = "Cancelled."
REPLACED = "This was ended, because you have started something else. A visitor has one job at a time."


class Abandoned(Exception):  # noqa: N818  (nothing went wrong)
    """The result is no longer needed; the text, if there is one, says why."""


#: What a job does: it gets the job, and passes `Job.progress` to the attack.
Work = Callable[["Job"], Any]


class Job:
    """A piece of work that `Jobs` runs.

    Args:
        work: Gets the job, and returns the result.
        limit: The number of seconds after which the work is stopped.
        every: The largest number of steps between two frames; 0 leaves it to the time.
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
        jobs: "Jobs",
    ) -> None:
        self._work, self._limit, self._every, self._parts = work, limit, every, parts
        self._jobs, self._stoppable = jobs, stoppable
        self.session = session
        #: When the visitor's browser listened last.
        self.listened_at = time.monotonic()
        self._updates: queue.SimpleQueue[Update | None] = queue.SimpleQueue()
        self._stop, self._abandon, self._ended = threading.Event(), threading.Event(), threading.Event()
        self._begin = self._part_begin = self._last_frame = 0.0
        self._part, self._steps = 0, RunProgress()
        self._newest: Progress | None = None
        self._first: int | None = None
        self._why = ""
        self._result: Any = None
        self._error: BaseException | None = None
        self.started = False
        self.timed_out = False

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
        if self.started and self._stoppable:
            self._stop.set()
        else:
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
        part = newest.part if isinstance(newest, Frame) else 0
        whole = newest.seconds / newest.step * newest.steps
        return newest.seconds_left + whole * (self._parts - 1 - part)

    def progress(self, step: Step) -> None:
        """Receive a step of an attack; the callback `progress` of `arcinvert.Attacker`.

        Raises:
            Abandoned: If the job is abandoned.
            StopInversion: If the job is stopped.
        """
        now = self._check()
        number, steps = self._steps.of(step)
        wanted = number in (1, steps) or bool(self._every and number % self._every == 0)
        if wanted or now - self._last_frame > FRAME_INTERVAL or self.stopped:
            images = to_uint8(step.images())
            self._show(Frame(number, steps, now - self._part_begin, images, self._part), now)
        if self.stopped:
            raise StopInversion

    def advance(self, done: int, steps: int) -> None:
        """Receive the number of steps done of work that makes no pictures.

        Raises:
            Abandoned: If the job is abandoned, or the time is over.
        """
        now = self._check()
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

    def _check(self) -> float:
        if self._jobs.absent(self):
            self.abandon()
        if self.abandoned:
            raise Abandoned(self._why)
        now = time.monotonic()
        if now - self._begin > self._limit:
            self.timed_out = True
            if not self._stoppable:
                raise Abandoned(
                    f"This takes longer than the {self._limit:g} seconds that the server allows. Choose less."
                )
            self.stop()
        return now

    def _show(self, progress: Progress, now: float) -> None:
        self._last_frame, self._newest = now, progress
        self._updates.put(progress)


class Jobs:
    """The jobs of all visitors. They run one after the other in one thread, in their order of arrival.

    A job runs only while its visitor's browser listens. One that nobody listens to is dropped, and is not
    waited for.

    Args:
        listening: Returns whether the browser of a session waits for results.
        most: The number of jobs that can wait.
    """

    def __init__(self, listening: Callable[[str], bool] = lambda session: True, *, most: int = 8) -> None:
        self._listening, self._most = listening, most
        self._condition = threading.Condition()
        self._waiting: list[Job] = []
        self._running: Job | None = None
        self._jobs: dict[str, Job] = {}
        self._durations: deque[float] = deque(maxlen=9)
        self._worker: threading.Thread | None = None
        self._closed = False

    def start(
        self,
        session: str | None,
        work: Work,
        *,
        limit: float,
        every: int = 0,
        parts: int = 1,
        stoppable: bool = True,
    ) -> Job:
        """Start a job; the visitor's earlier job, if there is one, is abandoned.

        If too many jobs wait, or the server ends, the job ends at once with an `InputError`.

        Args:
            session: The visitor's session.
            work: Gets the job, and returns the result.
            limit: The number of seconds after which the work is stopped.
            every: The largest number of steps between two frames; 0 leaves it to the time.
            parts: The number of attacks that the work makes.
            stoppable: Whether the work has a result when it is stopped half-way.
        """
        key = session or ""
        self.abandon(key, REPLACED)
        with self._condition:
            job = Job(
                work,
                limit=limit,
                every=every,
                parts=parts,
                stoppable=stoppable,
                session=key,
                jobs=self,
            )
            if self._closed or not self._make_room():
                full = f"There are already {self._most} visitors before you. Try again in a few minutes."
                job.finish(error=InputError("The server is ending." if self._closed else full))
                return job
            self._jobs[key] = job
            self._waiting.append(job)
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, daemon=True, name="jobs")
                self._worker.start()
            self._condition.notify_all()
        return job

    def stop(self, session: str | None) -> None:
        """Stop the visitor's job, and keep the result so far; one that waits is cancelled."""
        if job := self._jobs.get(session or ""):
            job.stop()

    def abandon(self, session: str | None, why: str = "") -> None:
        """Abandon the visitor's job, if there is one.

        Args:
            session: The visitor's session.
            why: What the visitor reads.
        """
        if job := self._jobs.pop(session or "", None):
            job.abandon(why)

    def close(self) -> None:
        """Abandon all jobs, and wait until the one that runs has ended."""
        with self._condition:
            self._closed = True
            for job in [*self._waiting, *([self._running] if self._running else [])]:
                job.abandon()
            self._condition.notify_all()
            worker = self._worker
        if worker is not None:
            worker.join(CLOSE_TIMEOUT)

    def place(self, job: Job) -> Waiting | None:
        """Return a job's place in the queue; None if it is not in the queue."""
        with self._condition:
            self._drop_absent()
            if job not in self._waiting:
                return None
            typical = statistics.median(self._durations) if self._durations else TYPICAL_SECONDS
            before = self._waiting[: self._waiting.index(job)]
            seconds = typical * len(before)
            if self._running is not None:
                seconds += self._running.seconds_left(typical)
            elif not before:
                return None
            count = len(before) + (self._running is not None)
            return Waiting(count, 5 * max(1, round(seconds / 5)))

    def absent(self, job: Job) -> bool:
        """Return whether a job's visitor has not listened for longer than is allowed."""
        if self._listening(job.session):
            job.listened_at = time.monotonic()
            return False
        return time.monotonic() - job.listened_at > GRACE

    def _drop_absent(self) -> None:
        for job in list(self._waiting):
            if job.abandoned or self.absent(job):
                self._drop(job)

    def _drop(self, job: Job) -> None:
        job.abandon()
        self._waiting.remove(job)
        self._forget(job)

    def _make_room(self) -> bool:
        """Return whether another job can wait; if not, one that nobody listens to makes room."""
        self._drop_absent()
        if len(self._waiting) < self._most:
            return True
        deserted = next((job for job in self._waiting if not self._listening(job.session)), None)
        if deserted is not None:
            self._drop(deserted)
        return deserted is not None

    def _next(self) -> Job | None:
        """Take the first job out of the queue whose visitor listens."""
        self._drop_absent()
        for job in self._waiting:
            if self._listening(job.session):
                self._waiting.remove(job)
                return job
        return None

    def _forget(self, job: Job) -> None:
        """Keep nothing of a job that has ended; its result belongs to the handler that waits for it."""
        if self._jobs.get(job.session) is job:
            del self._jobs[job.session]

    def _work(self) -> None:
        while True:
            with self._condition:
                while not self._closed and (job := self._next()) is None:
                    self._condition.wait(CONNECT_INTERVAL if self._waiting else None)
                if self._closed:
                    self._drop_absent()
                    return
                assert job is not None  # noqa: S101  (the loop ends with one)
                self._running = job
            begin = time.monotonic()
            job.run()
            with self._condition:
                self._running = None
                self._forget(job)
                if not job.abandoned:
                    self._durations.append(time.monotonic() - begin)
            # Otherwise the result would stay until the next job comes.
            del job
