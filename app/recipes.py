"""What the Compare recipes tab compares: the recipes, and the default one with one change each."""

from dataclasses import dataclass, field
from typing import Any

from arcinvert.recipes import RECIPES, RecipeName


@dataclass(frozen=True)
class Variant:
    """One way to attack.

    Args:
        title: Its name on the page.
        text: What it knows and how it begins, in plain English.
        options: The options of `AttackOptions` that are given.
    """

    title: str
    text: str
    options: dict[str, Any] = field(default_factory=dict)


def _recipe(name: RecipeName, text: str) -> Variant:
    return Variant(RECIPES[name].title, text, {"recipe": name})


#: What the list of recipes begins with.
COMMON = (
    "All four start from a picture and change it until the network takes it for the person. A network also "
    "stores averages of what its layers saw in training, the BatchNorm statistics; a picture whose own "
    "averages are near them looks more like a photograph of a face."
)
VARIANTS = (
    _recipe(
        "arcinvert",
        "starts from a face that is put together from public photographs of other people, and changes it "
        "only in the ways in which faces differ from each other (face PCA)",
    ),
    Variant(
        "weights only",
        "knows the network's weights and no photograph at all; starts from noise, and keeps near the "
        "BatchNorm statistics of faces. With some hundred passes more, from the mean face that the network "
        "expects, it finds faces too",
        {"knowledge": "weights", "initialisation": "noise", "restarts": 1},
    ),
    _recipe(
        "paper",
        "the attack of the paper that introduced ArcFace: starts from noise, keeps near the BatchNorm "
        "statistics, and was made for 20,000 passes",
    ),
    _recipe(
        "deepinversion",
        "an attack on networks of any kind: starts from noise, keeps near the BatchNorm statistics, works "
        "coarsely at first, and was made for 3,000 passes",
    ),
)
