"""What the Ingredients tab compares: one table of options, each row a declared variant."""

from dataclasses import dataclass, field
from typing import Any


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


#: A published recipe has neither our views nor our colour prior, optimises pixels, begins at noise.
_PUBLISHED: dict[str, Any] = {
    "start": "noise",
    "parametrisation": "pixels",
    "learning_rate": 0.25,
    "colour_weight": 0.0,
    "coordinate_weight": 0.0,
    "feature_dropout": 0.0,
    "scale": 0.0,
}

VARIANTS = (
    Variant("arcinvert", "mean start, scale-free BatchNorm prior, smooth images"),
    Variant("without BN prior", "as arcinvert, but the network's statistics are not used", {"prior": "none"}),
    Variant("from noise", "as arcinvert, but no public faces: it begins at noise", {"start": "noise"}),
    Variant(
        "ArcFace paper",
        "noise start, statistics in the paper's form, its weights; the paper takes 20,000 steps",
        _PUBLISHED
        | {
            "prior": "paper",
            "prior_weight": 0.05,
            "tv_weight": 1e-3,
            "l2_weight": 1e-4,
            "flip": False,
            "shift": 0,
        },
    ),
    Variant(
        "DeepInversion",
        "noise start, its form of statistics and weights, jitter and flips; it takes 2,000 steps and more",
        _PUBLISHED
        | {
            "prior": "deepinversion",
            "prior_weight": 0.01,
            "tv_weight": 1e-4,
            "l2_weight": 1e-5,
            "flip": True,
            "shift": 30,
        },
    ),
)
