"""Whether an attack still gains, told by the attacked network alone."""

from torch import Tensor

#: Steps whose views are averaged, and between two looks: a look waits for the device.
WINDOW = 20
#: Share of a schedule's steps that are its last part: an attack that has settled goes on there, so that
#: its learning rate falls as it would have.
LAST_PART = 0.2


class EarlyStopping:
    """Compares each image's mean similarity to its template, under the random views of `WINDOW` steps, with
    that of the steps before.

    Nothing that a judge says is in it.

    Args:
        tolerance: cosine; the batch has settled when no image gained more.
    """

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self._steps = 0
        self._sum: Tensor | float = 0.0
        self._before: Tensor | None = None

    def hear(self, similarities: Tensor) -> bool:
        """Take one step's similarities, (batch,), and say whether the batch has settled."""
        self._sum = self._sum + similarities
        self._steps += 1
        if self._steps % WINDOW:
            return False
        now, before = self._sum / WINDOW, self._before
        self._sum, self._before = 0.0, now
        return before is not None and bool((now - before).max() <= self._tolerance)
