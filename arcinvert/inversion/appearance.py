"""The pose, the expression and the age that an attack is asked to show. Imports no torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recognition.appearance.expressions import Expression

if TYPE_CHECKING:
    from torch import Tensor

    from recognition.appearance.deformations import Deformation

#: Degrees up to which a pose may be wanted: the photographs that deformations were fitted on are those on
#: which a detector of frontal faces found one, and few of them are beyond.
MAX_YAW, MAX_PITCH = 40.0, 25.0
#: Years that can be asked for: of a hundred photographs that ages were fitted on, one looks younger than that
#: and one older.
MIN_AGE, MAX_AGE = 20.0, 75.0
#: Optimiser steps after the deformation, and their highest learning rate; docs/pose.md has what they change.
STEPS, LEARNING_RATE = 10, 0.05


@dataclass(frozen=True)
class Appearance:
    """What an image is to show besides the identity; None is not asked for.

    Args:
        yaw: Degrees, positive where the face turns to the right of the picture.
        pitch: Degrees, positive where the face looks up.
        expression: The expression.
        age: How old the face is to look, years.
    """

    yaw: float | None = None
    pitch: float | None = None
    expression: Expression | None = None
    age: float | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether anything is asked for."""
        return self != UNCHANGED

    @property
    def moves(self) -> bool:
        """Whether pixels move: zero degrees are asked for by what moves none."""
        return bool(self.yaw or self.pitch or self.expression or self.age)

    @property
    def steps(self) -> int:
        """How many optimiser steps follow the deformation."""
        return STEPS if self.moves else 0

    def deformation(self, images: "Tensor") -> "Deformation":
        """Return what gives images of frontal faces, (batch, 3, h, w) in [0, 1], this appearance."""
        from recognition.appearance.deformations import bundled_ages, bundled_deformations

        aged = None if self.age is None else bundled_ages().change(images, self.age)
        return bundled_deformations().of(
            yaw=self.yaw, pitch=self.pitch, expression=self.expression, aged=aged
        )

    def given_to(self, images: "Tensor") -> "Tensor":
        """Return images of frontal faces, (batch, 3, h, w) in [0, 1], with this appearance."""
        return self.deformation(images)(images).clamp(0, 1) if self.is_wanted else images


#: Nothing is asked for.
UNCHANGED = Appearance()
