"""What spreads batches: work that every worker holds, jobs that it is given, and results as they come."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, Self, TypeVar

import torch

from arcinvert.inversion.progress import OnStep
from arcinvert.inversion.result import Step

Job = TypeVar("Job")
JobTaken = TypeVar("JobTaken", contravariant=True)
Result = TypeVar("Result")
ResultMade = TypeVar("ResultMade", covariant=True)

#: Receives every step with the number of its job.
OnJobStep = Callable[[int, Step], None]


class Work(Protocol[JobTaken, ResultMade]):
    """What a worker holds for many jobs, such as a network and a judge; it can be pickled.

    A result follows from the job alone, and not from the jobs before it.
    """

    def run(self, job: JobTaken, on_step: OnStep | None) -> ResultMade:
        """Return the result of a job, which reports its steps to `on_step`."""
        ...


class Workers(ABC):
    """Where jobs are computed; a context, in which this process has the threads of a worker.

    Args:
        threads: The threads of each process; None leaves this one's as they are.
    """

    #: Whether jobs are computed in this process: steps then come with their images, and a callback can stop
    #: the running one.
    in_process = False

    def __init__(self, threads: int | None) -> None:
        self._threads = threads
        self._before: int | None = None

    @property
    @abstractmethod
    def count(self) -> int:
        """How many jobs are computed side by side."""

    @abstractmethod
    def map(
        self, work: Work[Job, Result], jobs: Iterable[Job], on_step: OnJobStep | None = None
    ) -> Iterator[tuple[int, Result]]:
        """Yield the results as they come, each with the number of its job from 0; one call at a time.

        Args:
            work: What each worker holds.
            jobs: What to compute, read as workers become free.
            on_step: Receives steps in this process.

        Raises:
            InputError: If the work cannot be sent to another process, or processes end without a result.
        """

    def describe(self) -> str:
        """Return what computes, for a plan that is printed."""
        return "this process"

    def __enter__(self) -> Self:
        if self._threads is not None:
            self._before = torch.get_num_threads()
            torch.set_num_threads(self._threads)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            torch.set_num_threads(self._before)


class InProcess(Workers):
    """Computes one job after another in this process.

    Args:
        threads: Its threads; None leaves them as they are.
    """

    in_process = True

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(threads)

    @property
    def count(self) -> int:
        return 1

    def map(
        self, work: Work[Job, Result], jobs: Iterable[Job], on_step: OnJobStep | None = None
    ) -> Iterator[tuple[int, Result]]:
        for number, job in enumerate(jobs):
            yield number, work.run(job, _of_job(number, on_step))


def _of_job(number: int, on_step: OnJobStep | None) -> OnStep | None:
    return None if on_step is None else lambda step: on_step(number, step)


def in_order(found: Iterator[tuple[int, Any]]) -> Iterator[Any]:
    """Yield results in the order of their jobs; those that come early wait."""
    waiting: dict[int, Any] = {}
    wanted = 0
    for number, result in found:
        waiting[number] = result
        while wanted in waiting:
            yield waiting.pop(wanted)
            wanted += 1
