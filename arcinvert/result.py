"""What an inversion gives."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Step:
    """One step, for progress: its number from 1, of how many, and the parts of the loss, batch means."""

    number: int
    steps: int
    parts: dict[str, float]


@dataclass(frozen=True)
class Inversion:
    """The end of an optimisation.

    Args:
        images: (batch, 3, h, w) in [0, 1], on the CPU.
        start: the images that it began with, likewise.
        similarity: (batch,), cosine of the plain images' embeddings to the target, as the attacked
            network itself sees it.
        parts: the parts of the last step's loss, batch means.
    """

    images: Tensor
    start: Tensor
    similarity: Tensor
    parts: dict[str, float]
