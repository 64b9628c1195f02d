"""What an expression or an age does to a face that looks into the camera."""

from dataclasses import dataclass
from typing import Self

from torch import Tensor

#: The side in pixels at which flows and colours are stored.
SIDE = 56


@dataclass(frozen=True)
class Change:
    """What is done to faces that look into the camera, the same to all or another to each.

    Args:
        flow: Shape (2, 56, 56), or (batch, 2, 56, 56): how far to the right and down of each pixel the image
            is sampled, in widths of the image.
        colours: Shape (3, 56, 56), or (batch, 3, 56, 56), what is added afterwards, for images in [0, 1].
    """

    flow: Tensor
    colours: Tensor

    def __add__(self, other: Self) -> "Change":
        """Return what does both, neither before the other: they are small, and change other places."""
        return Change(self.flow.to(other.flow) + other.flow, self.colours.to(other.colours) + other.colours)

    def times(self, factor: float) -> "Change":
        """Return so much of it."""
        return Change(factor * self.flow, factor * self.colours)
