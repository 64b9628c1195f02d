"""How faces change with age, and how old a face looks.

The change of a year is linear: landmarks and colours of labelled photographs are regressed on age, and a face
is given as many of these years as it lacks. How old it looks is a linear function of its pixels.

Source: shape and colour as separate differences between means of age groups, Burt and Perrett, "Perception of
age in adult Caucasian male faces", Proceedings of the Royal Society B 259, 1995.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from recognition.appearance.change import Change

#: The side in pixels of the pictures that ages are read from. In photographs of people who were not fitted,
#: 28 pixels give the labels as well as 56 (correlation 0.77), 14 give them less well (0.73).
READ_SIDE = 28
#: How many times the mean change of the missing years is given. A mean over many faces is weaker than each of
#: them, as their wrinkles lie elsewhere.
GIVEN = 3.0


@dataclass(frozen=True)
class Ages:
    """How faces change with age.

    Args:
        year: What a year does to a face, with flow (2, 56, 56) and colours (3, 56, 56).
        weights: Shape (3, 28, 28), the years for each unit of a pixel.
        offset: Shape (), the years of a black picture.
    """

    year: Change
    weights: Tensor
    offset: Tensor

    def read(self, images: Tensor) -> Tensor:
        """Return how old faces look, in years, shape (batch,).

        Args:
            images: Shape (batch, 3, side, side), in [0, 1], of a side that 28 divides or larger.
        """
        small = F.adaptive_avg_pool2d(images, READ_SIDE)
        return (small * self.weights.to(images)).sum((1, 2, 3)) + self.offset.to(images)

    def change(self, images: Tensor, age: float) -> Change:
        """Return what gives faces an age, with flow (batch, 2, 56, 56) and colours (batch, 3, 56, 56).

        Args:
            images: The faces, as in `read`.
            age: Years.
        """
        years = (GIVEN * (age - self.read(images.detach())))[:, None, None, None]
        return Change(years * self.year.flow.to(years), years * self.year.colours.to(years))
