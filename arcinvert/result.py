"""What an inversion gives."""

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor


class StopInversion(Exception):  # noqa: N818  (like StopIteration, it is no error)
    """Raised by a callback: the optimisation ends, and what it has so far is its result."""


@dataclass(frozen=True)
class Step:
    """One step, for progress: its number from 1, of how many, and the parts of the loss, batch means.

    Args:
        images: looks at the batch as it is now, (batch, 3, h, w) in [0, 1] on the CPU; costs nothing
            until it is called, and is good only during the callback.
    """

    number: int
    steps: int
    parts: dict[str, float]
    images: Callable[[], Tensor] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Inversion:
    """The end of an optimisation.

    Args:
        images: (batch, 3, h, w) in [0, 1], on the CPU.
        start: the images that it began with, likewise.
        similarity: (batch,), cosine of the plain images' embeddings to the target, as the attacked
            network itself sees it.
        parts: the parts of the last step's loss, batch means.
        stopped: whether a callback ended it early.
    """

    images: Tensor
    start: Tensor
    similarity: Tensor
    parts: dict[str, float]
    stopped: bool = False
