"""The one place where the steps of a batch are counted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from arcinvert.inversion.result import Step

#: Receives every step; raise `StopInversion` in it to stop with what there is.
OnStep = Callable[[Step], None]
#: Receives what is done before the first step: its name, how much of it is done, and of how much.
OnStage = Callable[[str, int, int], None]


class StepCounter:
    """Counts steps through all restarts and stages of a batch, and reports each to a callback.

    Args:
        steps: The number of steps of the whole batch, without further attempts.
        on_step: Receives every step; None ignores them.
        batch: The batch's number from 1.
        batches: The number of batches.
        extra: How many of the steps prepare the initialisation.
    """

    def __init__(
        self,
        steps: int,
        on_step: OnStep | None = None,
        *,
        batch: int = 1,
        batches: int = 1,
        extra: int = 0,
    ) -> None:
        self.steps = steps
        self.number = 0
        self._on_step = on_step
        self._batch, self._batches, self._extra = batch, batches, extra

    def advance(self, losses: Mapping[str, float], images: Callable[[], Tensor]) -> None:
        """Count one step and report it.

        Raises:
            StopInversion: If the callback raises it.
        """
        self.number += 1
        if self._on_step is not None:
            self._on_step(
                Step(self.number, self.steps, losses, images, self._batch, self._batches, self._extra)
            )

    def add(self, steps: int) -> None:
        """Add the steps of a further attempt."""
        self.steps += steps
        self._extra += steps

    def skip(self, steps: int) -> None:
        """Count steps that are left out because the optimisation stops early."""
        self.number += steps


class StepsInTurn:
    """Passes on the steps of several inversions, one after the other, as those of one batch.

    Args:
        on_step: Receives every step.
        planned: The steps of each inversion, as far as they are known.
    """

    def __init__(self, on_step: OnStep, planned: Sequence[int]) -> None:
        self._on_step, self._steps = on_step, list(planned)
        self._number = 0

    def __call__(self, step: Step) -> None:
        """Take a step of the inversion that runs."""
        self._steps[self._number] = step.steps
        before = sum(self._steps[: self._number])
        self._on_step(replace(step, number=before + step.number, steps=sum(self._steps)))

    def end(self) -> None:
        """Take the steps that follow as those of the next inversion."""
        self._number += 1


class RunProgress:
    """Counts the steps of a run over its batches, of which the first one may prepare the initialisation."""

    def __init__(self) -> None:
        self._before = 0
        self._latest: Step | None = None

    def of(self, step: Step) -> tuple[int, int]:
        """Return the number of steps done in the whole run, and how many there are, at one of its steps.

        Batches before the first one that is reported count as done, as by an earlier run.
        """
        each = step.steps - step.extra
        if self._latest is None:
            self._before = (step.batch - 1) * each
        elif self._latest.batch != step.batch:
            self._before += self._latest.steps
        self._latest = step
        rest = (step.batches - step.batch) * each
        return self._before + step.number, self._before + step.steps + rest
