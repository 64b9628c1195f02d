"""Early stopping, decided by the attacked network alone."""

from torch import Tensor

#: Steps whose similarities are averaged, which is also the interval between two checks: a check waits for the
#: device.
WINDOW = 20
#: The fraction of a schedule that still runs after the decision, so that the learning rate falls to zero.
LAST_PART = 0.2


class EarlyStopping:
    """Compares each image's mean similarity over a window of steps with that of the window before.

    The similarities are those of the randomly augmented images to their templates in the attacked network;
    nothing that a judge says is used.

    Args:
        tolerance: Cosine similarity. The batch has converged when no image gained more.
    """

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._steps = 0
        self._sum: Tensor | float = 0.0
        self._before: Tensor | None = None

    def converged(self, similarities: Tensor) -> bool:
        """Add the similarities of one step, shape (batch,), and return whether the batch has converged."""
        self._sum = self._sum + similarities
        self._steps += 1
        if self._steps % WINDOW:
            return False
        now, before = self._sum / WINDOW, self._before
        self._sum, self._before = 0.0, now
        return before is not None and bool((now - before).max() <= self._tolerance)
