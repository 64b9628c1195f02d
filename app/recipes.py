"""What the Compare recipes tab compares: the recipes, and the default one with one change each."""

from dataclasses import dataclass, field
from typing import Any

from arcinvert.recipes import RECIPES, RecipeName


@dataclass(frozen=True)
class Variant:
    """One way to attack.

    Args:
        title: Its name on the page.
        text: How it differs from the others, in one phrase.
        options: The options of `AttackOptions` that are given.
    """

    title: str
    text: str
    options: dict[str, Any] = field(default_factory=dict)


def _recipe(name: RecipeName) -> Variant:
    return Variant(RECIPES[name].title, RECIPES[name].text, {"recipe": name})


VARIANTS = (
    _recipe("arcinvert"),
    Variant(
        "weights only",
        "as arcinvert, without any public faces, from noise",
        {"knowledge": "weights", "initialisation": "noise", "restarts": 1},
    ),
    _recipe("paper"),
    _recipe("deepinversion"),
)
