"""The steps of an audit, counted over all its batches."""

from collections.abc import Callable

from arcinvert.inversion.result import Step

#: Called with the optimiser steps done, and how many there are.
Progress = Callable[[int, int], None]


class StepCounter:
    """Counts the optimiser steps of an audit over all its batches.

    Args:
        progress: Called at each change.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = 0
        #: How many steps there are.
        self.total = 0

    def advance(self, steps: int = 1) -> None:
        """Count steps; many at once where an earlier run did them, or fewer than none where some are lost."""
        self._done += steps
        self._progress(min(self._done, self.total), self.total)


class JobSteps:
    """Counts the steps of batches that may be computed side by side.

    Args:
        counter: Counts the steps of the audit.
        each: The steps of each batch.
    """

    def __init__(self, counter: StepCounter, each: int) -> None:
        self._counter, self._each = counter, each
        self._of_batch: dict[int, int] = {}

    def step(self, number: int, step: Step) -> None:
        """Count a step of a batch; one that is done again counts from its beginning."""
        self._count(number, min(step.number, self._each))

    def finish(self, number: int) -> None:
        """Count all steps of a batch."""
        self._count(number, self._each)

    def _count(self, number: int, steps: int) -> None:
        if more := steps - self._of_batch.get(number, 0):
            self._of_batch[number] = steps
            self._counter.advance(more)
