"""Long work in one thread: one job after the other, one of each visitor, with a place in the queue."""

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from arcinvert import InputError

from .job import Job, Work
from .updates import Waiting

#: Seconds that a visitor's browser may take to connect, or to connect again, before the job is dropped.
GRACE = 5.0
#: Seconds between two looks for a visitor who connects.
CONNECT_INTERVAL = 0.05
#: Seconds that a job is assumed to take as long as none has ended.
TYPICAL_SECONDS = 30.0
#: Seconds that the running job may take to end when the server ends.
CLOSE_TIMEOUT = 20.0

REPLACED = "This was ended, because you have started something else. A visitor has one job at a time."


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
        about: Any = None,
    ) -> Job:
        """Start a job; the visitor's earlier job, if there is one, is abandoned.

        If too many jobs wait, or the server ends, the job ends at once with an `InputError`.

        Args:
            session: The visitor's session.
            work: Gets the job, and returns the result.
            limit: The number of seconds after which the work is stopped.
            every: The largest number of steps between two frames, for a film; 0 leaves it to the time.
            parts: The number of attacks that the work makes.
            stoppable: Whether the work has a result when it is stopped half-way.
            about: What the work is about, for `Job.about`.
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
            job.about = about
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

    def of(self, session: str | None) -> Job | None:
        """Return the visitor's job that waits or runs; None if there is none."""
        return self._jobs.get(session or "")

    def stop(self, session: str | None) -> None:
        """Stop the visitor's job, and keep the result so far; one that waits is cancelled."""
        if job := self.of(session):
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
