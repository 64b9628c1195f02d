"""The expressions that a face can be given, and which faces and landmarks each is taken from.

Imports no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from recognition.appearance.measures import Attribute

Expression = Literal["neutral", "smile", "open-mouth", "eyes-closed"]

#: Landmarks of iBUG 300-W: the chin with the lower jaw, the eyes and the mouth.
_JAW, _EYES, _MOUTH = tuple(range(4, 13)), tuple(range(36, 48)), tuple(range(48, 68))


@dataclass(frozen=True)
class Rule:
    """How an expression is taken from photographs.

    Args:
        faces: The faces that show it: the percentiles that each number of `ATTRIBUTES` lies between.
        moved: The landmarks that it moves; the others stay where they are.
        coloured: The landmarks around which it changes colours, as teeth and lids do.
        reach: How far from them, as the standard deviation of a Gaussian in pixels of 112.
        strength: A factor of both changes. A mean over many faces is weaker than each of them.
        given: The part of the changes, from 0 to 1, that a face is given. The larger a change is, the less of
            the person a recogniser finds. Four of five faces show the expression with this much
            (docs/pose.md).
    """

    faces: "Mapping[Attribute, tuple[float, float]]"
    moved: tuple[int, ...]
    coloured: tuple[int, ...]
    reach: float
    strength: float
    given: float


RULES: Mapping[Expression, Rule] = {
    "neutral": Rule({"smile": (0, 20), "mouth": (0, 30)}, _MOUTH + _JAW, _MOUTH, 9.0, 1.0, 0.5),
    "smile": Rule({"smile": (96, 100)}, _MOUTH + _JAW, _MOUTH, 9.0, 1.0, 0.75),
    "open-mouth": Rule({"mouth": (98.5, 100), "smile": (0, 70)}, _MOUTH + _JAW, _MOUTH, 7.0, 1.0, 0.85),
    "eyes-closed": Rule({"eyes": (0, 1.5), "smile": (0, 60), "mouth": (0, 70)}, _EYES, _EYES, 5.0, 1.3, 0.85),
}
