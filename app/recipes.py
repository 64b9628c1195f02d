"""What the Ingredients tab compares: arcinvert's recipes, and its own with an ingredient left out."""

from dataclasses import dataclass, field
from typing import Any

from arcinvert.recipes import RECIPES, RecipeName


@dataclass(frozen=True)
class Variant:
    """One way to attack.

    Args:
        title: what the page calls it; differs: how it differs, in words.
        options: of `AttackOptions`, where they are not its defaults.
    """

    title: str
    differs: str
    options: dict[str, Any] = field(default_factory=dict)


def _whole(name: RecipeName) -> Variant:
    return Variant(RECIPES[name].title, RECIPES[name].text, {"recipe": name})


VARIANTS = (
    _whole("arcinvert"),
    Variant("without BN prior", "as arcinvert, but the network's statistics are not used", {"prior": "none"}),
    Variant("from noise", "as arcinvert, but no public faces: it begins at noise", {"knowledge": "weights"}),
    _whole("paper"),
    _whole("deepinversion"),
)
