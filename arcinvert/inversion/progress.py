"""The one place where the steps of a batch are counted."""

from collections.abc import Callable, Mapping

from torch import Tensor

from arcinvert.inversion.result import Step

#: Receives every step; raise `StopInversion` in it to stop with what there is.
OnStep = Callable[[Step], None]


class StepCounter:
    """Counts steps through all restarts and stages of a batch, and reports each to a callback.

    Args:
        steps: The number of steps of the whole batch.
        on_step: Receives every step; None ignores them.
        batch: The batch's number from 1.
        batches: The number of batches.
    """

    def __init__(
        self, steps: int, on_step: OnStep | None = None, *, batch: int = 1, batches: int = 1
    ) -> None:
        self.steps = steps
        self.number = 0
        self._on_step = on_step
        self._batch, self._batches = batch, batches

    def advance(self, losses: Mapping[str, float], images: Callable[[], Tensor]) -> None:
        """Count one step and report it.

        Raises:
            StopInversion: If the callback raises it.
        """
        self.number += 1
        if self._on_step is not None:
            self._on_step(Step(self.number, self.steps, losses, images, self._batch, self._batches))

    def skip(self, steps: int) -> None:
        """Count steps that are left out because the optimisation stops early."""
        self.number += steps
