"""The pose and the expression that an attack is asked to show. Imports no torch."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from recognition.appearance.expressions import Expression

if TYPE_CHECKING:
    from torch import Tensor

#: Degrees up to which a pose may be wanted: the photographs that deformations were fitted on are those on
#: which a detector of frontal faces found one, and few of them are beyond.
MAX_YAW, MAX_PITCH = 40.0, 25.0


@dataclass(frozen=True)
class Appearance:
    """What an image is to show besides the identity; None is not asked for.

    Args:
        yaw: Degrees, positive where the face turns to the right of the picture.
        pitch: Degrees, positive where the face looks up.
        expression: The expression.
    """

    yaw: float | None = None
    pitch: float | None = None
    expression: Expression | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether anything is asked for."""
        return self != UNCHANGED

    def given_to(self, images: "Tensor") -> "Tensor":
        """Return images of frontal faces, (batch, 3, h, w) in [0, 1], with this appearance.

        Images are deformed when they are finished. Where they were deformed in front of the network during
        the optimisation, it undid a part of what was asked for, and identified nobody better.
        """
        if not self.is_wanted:
            return images
        from recognition.appearance.deformations import bundled_deformations

        deformation = bundled_deformations().of(yaw=self.yaw, pitch=self.pitch, expression=self.expression)
        return deformation(images).clamp(0, 1)


#: Nothing is asked for.
UNCHANGED = Appearance()
