"""The pose and the expression that an attack is asked to show. Imports no torch."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from recognition.appearance.guide import Labels
    from recognition.appearance.measures import Attribute

Expression = Literal["neutral", "smile", "open-mouth", "eyes-closed"]
#: Degrees up to which a pose may be wanted: the face PCA is of photographs on which a detector of frontal
#: faces found one, and has few beyond.
MAX_YAW, MAX_PITCH = 40.0, 25.0
#: What an expression is: the percentile of each number of `recognition.appearance.measures`, among the faces
#: that the guide was trained on. Numbers that are not named are free.
EXPRESSIONS: "Mapping[Expression, Mapping[Attribute, float]]" = {
    "neutral": {"smile": 0.15, "mouth": 0.15, "eyes": 0.6},
    "smile": {"smile": 0.95, "eyes": 0.4},
    "open-mouth": {"mouth": 0.99, "smile": 0.3},
    "eyes-closed": {"eyes": 0.01, "mouth": 0.3},
}


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
        return self != UNGUIDED

    def targets(self, labels: "Labels") -> "dict[Attribute, float]":
        """Return the value that each number is to have, in the number's own unit; free ones are left out.

        Args:
            labels: What the numbers are on the faces that the guide was trained on.
        """
        found: dict[Attribute, float] = {}
        if self.yaw is not None:
            found["yaw"] = self.yaw
        if self.pitch is not None:
            found["pitch"] = self.pitch
        if self.expression is not None:
            quantile: Callable[[Attribute, float], float] = labels.quantile
            found |= {name: quantile(name, share) for name, share in EXPRESSIONS[self.expression].items()}
        return found


#: Nothing is asked for.
UNGUIDED = Appearance()
