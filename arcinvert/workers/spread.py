"""Which worker computes which job, and what happens if a worker ends: common to processes and to Ray."""

import itertools
import logging
import pickle
from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import torch

from arcinvert.workers.base import Job, OnJobStep, Result, Work, Workers
from arcinvert.workers.messages import Died, Failed, Finished, Message, Reported, Shipment, packed_work
from arcinvert.workers.options import MOST_THREADS
from recognition.errors import InputError

_log = logging.getLogger(__name__)

#: Workers that may end during one job before the job counts as what ends them.
MOST_DEATHS = 3


class Handle(Protocol):
    """One worker, as seen from here."""

    #: The version of the work that it holds; None at first.
    version: int | None

    def submit(self, version: int, shipment: Any, job: bytes) -> None:
        """Give it a job.

        Args:
            version: The version of the work.
            shipment: The work, as `Spread.prepare` returned it; None if the worker holds it.
            job: The pickled job.

        Raises:
            OSError: If it has ended.
        """
        ...

    def stop(self) -> None:
        """End it, also in the middle of a job."""
        ...


class Spread(Workers):
    """Gives jobs to workers that are free; the job of a worker that ended is given to another one.

    Args:
        threads: The threads of each process.
    """

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self.threads = threads
        self._handles: dict[int, Handle] = {}
        self._versions = itertools.count()

    @abstractmethod
    def start(self, number: int) -> Handle:
        """Start a worker."""

    @abstractmethod
    def wait(self, handles: Sequence[Handle]) -> list[tuple[Handle, Message]]:
        """Return what some of the workers that compute have sent, after waiting for it."""

    def prepare(self, shipment: Shipment) -> Any:
        """Return work in the form that handles take."""
        return shipment

    def __exit__(self, *details: object) -> None:
        for handle in self._handles.values():
            handle.stop()
        self._handles.clear()
        super().__exit__(*details)

    def map(
        self, work: Work[Job, Result], jobs: Iterable[Job], on_step: OnJobStep | None = None
    ) -> Iterator[tuple[int, Result]]:
        run = _Map(self, next(self._versions), work, jobs)
        try:
            while run.give():
                finished = []
                for index, message in run.messages():
                    number = run.number(index)
                    if isinstance(message, Reported):
                        if on_step is not None:
                            on_step(number, message.step)
                    elif isinstance(message, Died):
                        run.lost(index, message)
                    elif isinstance(message, Failed):
                        run.free(index)
                        raise message.error
                    elif isinstance(message, Finished):
                        run.free(index)
                        finished.append((number, message.result))
                # New jobs first: workers do not wait while results are written.
                run.give()
                yield from finished
        finally:
            # What still computes would answer to the next call.
            for index in run.running():
                self.stop_worker(index)

    def worker(self, index: int) -> Handle:
        """Return a worker, started if there is none."""
        if index not in self._handles:
            self._handles[index] = self.start(index)
        return self._handles[index]

    def stop_worker(self, index: int) -> None:
        """End a worker; the next job for it starts another one."""
        if (handle := self._handles.pop(index, None)) is not None:
            handle.stop()


class _Map:
    """The jobs of one call: which are computed now, and which are to be done again."""

    def __init__(self, spread: Spread, version: int, work: Work, jobs: Iterable[Any]) -> None:
        self._spread, self._version, self._work = spread, version, work
        self._shipment: Any = None
        self._source = enumerate(jobs)
        self._again: deque[tuple[int, Any]] = deque()
        self._running: dict[int, tuple[int, Any]] = {}
        self._deaths: Counter[int] = Counter()

    def give(self) -> bool:
        """Give jobs to all free workers; return whether any worker computes."""
        while chosen := self._chosen():
            # All start before the first one is given its work, which waits until that one has imported torch.
            for index in chosen:
                self._spread.worker(index)
            for index in chosen:
                self._submit(index, self._running[index])
        return bool(self._running)

    def _chosen(self) -> list[int]:
        """Return free workers, each of which now has a job."""
        chosen = []
        for index in range(self._spread.count):
            if index in self._running:
                continue
            task = self._again.popleft() if self._again else next(self._source, None)
            if task is None:
                break
            self._running[index] = task
            chosen.append(index)
        return chosen

    def _submit(self, index: int, task: tuple[int, Any]) -> None:
        try:
            worker = self._spread.worker(index)
            known = worker.version == self._version
            worker.submit(self._version, None if known else self._shipped(), pickle.dumps(task[1]))
            worker.version = self._version
        except OSError as error:
            self.lost(index, Died(str(error)))

    def _shipped(self) -> Any:
        """Return the work for workers, which is copied when there is a first job."""
        if self._shipment is None:
            self._shipment = self._spread.prepare(Shipment(self._version, packed_work(self._work)))
        return self._shipment

    def messages(self) -> list[tuple[int, Message]]:
        """Return what workers have sent, each with the worker's index."""
        handles = {index: self._spread.worker(index) for index in self._running}
        sent = self._spread.wait(list(handles.values())) if handles else []
        return [
            (next(index for index, one in handles.items() if one is handle), message)
            for handle, message in sent
        ]

    def number(self, index: int) -> int:
        """Return the number of the job that a worker computes."""
        return self._running[index][0]

    def running(self) -> list[int]:
        """Return the workers that compute."""
        return list(self._running)

    def free(self, index: int) -> None:
        """Note that a worker has finished its job."""
        del self._running[index]

    def lost(self, index: int, death: Died) -> None:
        """Do the job of a worker that ended again.

        Raises:
            InputError: If several workers ended with it.
        """
        number, job = self._running.pop(index)
        self._spread.stop_worker(index)
        self._deaths[number] += 1
        if self._deaths[number] >= MOST_DEATHS:
            raise InputError(
                f"workers: expected processes that finish their work, {MOST_DEATHS} of them ended at the "
                f"same batch ({death.how}); memory may be short: use fewer workers, or smaller batches"
            )
        _log.warning("a worker ended (%s): its batch is computed again by another one", death.how)
        self._again.append((number, job))


def check_threads(threads: int | None) -> int:
    """Return the threads of each process, 1 if none are given.

    Raises:
        InputError: If there are fewer, or more than `MOST_THREADS`.
    """
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise InputError(f"threads: expected 1 to {MOST_THREADS}, got {threads}")
    return threads or 1


def describe_threads(threads: int) -> str:
    """Return threads in words."""
    return f"{threads} thread{'s' if threads > 1 else ''}"


def gpus() -> int:
    """Return how many CUDA devices this machine has."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0
