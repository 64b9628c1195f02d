"""The steps of an audit, counted over all its batches, and what comes before them."""

from collections.abc import Callable
from typing import Literal

from arcinvert.inversion.result import Step
from arcinvert.workers.progress import JobCounts

#: Called with the optimiser steps done, and how many there are.
Progress = Callable[[int, int], None]
#: What is done before the first step: the network is measured on synthetic faces at its first use, and
#: photographs are read.
Stage = Literal["synthetic faces", "photographs"]
#: Called with the stage, how many of its faces or photographs are done, and how many there are.
Preparing = Callable[[Stage, int, int], None]


def ignore_stage(stage: Stage, done: int, total: int) -> None:
    """Do nothing before the first step; the default."""


class StepCounter:
    """Counts the optimiser steps of an audit over all its batches.

    Args:
        progress: Called at each change.
        preparing: Called before the first step.
    """

    def __init__(self, progress: Progress, preparing: Preparing = ignore_stage) -> None:
        self._progress, self._preparing = progress, preparing
        self._done = self._read = 0
        #: How many photographs there are.
        self.photographs = 0
        #: How many steps there are; further attempts add theirs when they are made.
        self.total = 0

    def read(self, photographs: int) -> None:
        """Count photographs that are read."""
        self._read += photographs
        self._preparing("photographs", min(self._read, self.photographs), self.photographs)

    def advance(self, steps: int = 1) -> None:
        """Count steps; many at once where an earlier run did them, or fewer than none where some are lost."""
        self._done += steps
        self._progress(min(self._done, self.total), self.total)


class JobSteps:
    """Counts the steps of batches that may be computed side by side.

    Args:
        counter: Counts the steps of the audit.
        each: The steps of each batch without further attempts.
    """

    def __init__(self, counter: StepCounter, each: int) -> None:
        self._counter, self._jobs = counter, JobCounts(each)

    def step(self, number: int, step: Step) -> None:
        """Count a step of a batch; one that is done again counts from its beginning."""
        self._count(*self._jobs.step(number, step))

    def finish(self, number: int) -> None:
        """Count all steps of a batch."""
        self._count(*self._jobs.finish(number))

    def _count(self, done: int, steps: int) -> None:
        self._counter.total += steps
        if done or steps:
            self._counter.advance(done)


class JobPhotographs:
    """Counts the photographs of units that may be read side by side.

    Args:
        counter: Counts the photographs of the audit.
        each: The photographs of each step of a unit.
    """

    def __init__(self, counter: StepCounter, each: int) -> None:
        self._counter, self._each = counter, each
        self._of_unit: dict[int, int] = {}

    def step(self, number: int, step: Step) -> None:
        """Count a step of a unit."""
        self.count_to(number, step.number)

    def count_to(self, number: int, steps: int) -> None:
        """Count so many steps of a unit; those that are counted already are not counted again."""
        self._counter.read(self._each * (steps - self._of_unit.get(number, 0)))
        self._of_unit[number] = steps
