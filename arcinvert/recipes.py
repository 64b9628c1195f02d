"""Recipes: presets of the options of an attack, each value with its source.

The published recipes are stated in the network's own units, -1..1; images here are in [0, 1], half as wide,
and learning rates are converted. This module does not import torch, so that the command line can list the
recipes.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from recognition.errors import InputError

RecipeName = Literal["arcinvert", "paper", "deepinversion"]
KnowledgeName = Literal["public-faces", "weights"]
TargetKind = Literal["class", "template"]


@dataclass(frozen=True)
class Setting:
    """The value of one option.

    Args:
        value: The value. None leaves the choice to `arcinvert.resolve.resolve`.
        source: Where the value comes from.
    """

    value: Any
    source: str


@dataclass(frozen=True)
class Preset:
    """A recipe at one level of the attacker's knowledge.

    Args:
        settings: Values of `AttackOptions` by field name.
        penalties: Weights by penalty name.
        losses: The loss by kind of target.
    """

    settings: dict[str, Setting]
    penalties: dict[str, Setting]
    losses: dict[TargetKind, Setting] = field(default_factory=dict)

    def values(self, target: TargetKind) -> dict[str, Any]:
        """Return all values by field name, for one kind of target."""
        values = {name: setting.value for name, setting in self.settings.items()}
        values["penalty"] = {name: setting.value for name, setting in self.penalties.items()}
        values["loss"] = self.losses[target].value
        return values


@dataclass(frozen=True)
class Recipe:
    """One way to attack.

    Args:
        title: The name on pictures and pages.
        text: What the recipe is, in one phrase.
        presets: The preset at each level of knowledge that the recipe exists at; the first is the default.
    """

    title: str
    text: str
    presets: dict[KnowledgeName, Preset]


_TUNED = "tuned on people that the bundled network was trained on"
_BY_PARAMETRISATION = "chosen by the parametrisation"
_SETTINGS = {
    "steps": Setting(None, _BY_PARAMETRISATION),
    "restarts": Setting(None, "chosen by the initialisation and the parametrisation"),
    "restart_steps": Setting(None, "chosen by the initialisation"),
    "retries": Setting(None, "chosen by the initialisation; none where fewer steps are asked for"),
    "initialisation": Setting(None, "the nearest to the person that the attacker's knowledge allows"),
    "parametrisation": Setting(None, "face PCA where the initial image is made of public faces, else pixels"),
    "loss_scale": Setting(None, "the scale that the network was trained with"),
    "loss_margin": Setting(1.0, "wider than in training: a gradient remains once the class is the nearest"),
    "whiten": Setting(True, "directions in which all templates vary would decide otherwise"),
    "regression_blend": Setting(None, "half for a class where a regression was fitted: its errors differ"),
    "skin_tone": Setting(
        None, "the person's where enough public faces have templates, else that of the initial image"
    ),
    "learning_rate": Setting(None, _BY_PARAMETRISATION),
    "warm_up": Setting(0.05, "the first steps of Adam are the roughest"),
    "low_resolution": Setting(0.0, "not needed from the mean face"),
    "average": Setting(0.0, "the learning rate falls to zero by itself"),
    "flip": Setting(True, "faces are nearly symmetric"),
    "shift": Setting(None, _BY_PARAMETRISATION),
    "scale": Setting(None, _BY_PARAMETRISATION),
    "wrap": Setting(False, "the other side of a face is not background"),
    "feature_dropout": Setting(None, _BY_PARAMETRISATION),
    "batch_size": Setting(16, "fits into the memory of small machines"),
}
_PENALTIES = {
    "tv": Setting(2.0, _TUNED),
    "colour-tv": Setting(None, _BY_PARAMETRISATION),
    "pca-prior": Setting(0.3, _TUNED),
    "code-prior": Setting(0.1, "a tenth of the loss at offsets of one standard deviation; not tuned"),
    "bn": Setting(None, _BY_PARAMETRISATION),
}
_LOSSES: dict[TargetKind, Setting] = {
    "class": Setting("arcface", "the loss that trained the class"),
    "template": Setting("cosine", "the angle is what recognisers compare"),
}
_OURS = Preset(_SETTINGS, _PENALTIES, _LOSSES)
_NO_FACES = "the attacker knows nothing that is made of faces"
_OURS_WEIGHTS = Preset(
    _SETTINGS
    | {
        "initialisation": Setting(
            "mean-face-from-weights", "the mean face that the network itself expects of an aligned image"
        ),
        "parametrisation": Setting("pixels", _NO_FACES),
        "regression_blend": Setting(0.0, _NO_FACES),
        "skin_tone": Setting(False, _NO_FACES),
    },
    _PENALTIES,
    _LOSSES,
)

_NOT_IN_IT = "not part of the recipe"
_NETWORK_UNITS = "0.25 in the network's units, -1..1"
#: What both published recipes share.
_PUBLISHED = {
    "restarts": Setting(1, _NOT_IN_IT),
    "restart_steps": Setting(None, _NOT_IN_IT),
    "retries": Setting(0, _NOT_IN_IT),
    "initialisation": Setting("noise", "N(0, 1) in the network's units, clipped to the range of pixels"),
    "parametrisation": Setting("pixels", "pixels are optimised"),
    "whiten": Setting(False, _NOT_IN_IT),
    "regression_blend": Setting(0.0, _NOT_IN_IT),
    "skin_tone": Setting(False, _NOT_IN_IT),
    "average": Setting(0.0, _NOT_IN_IT),
    "scale": Setting(0.0, _NOT_IN_IT),
    "feature_dropout": Setting(0.0, _NOT_IN_IT),
}

_ARCFACE = "arXiv:1801.07698v4, sections 3.3 and 4.5"
_NOT_STATED = "not stated in the paper; chosen here:"
_PAPER = Preset(
    _PUBLISHED
    | {
        "steps": Setting(20_000, _ARCFACE),
        "loss_scale": Setting(
            64.0,
            f"{_ARCFACE}; for a template's features {_NOT_STATED} the same, so that the distance outweighs "
            "the statistics as the training loss does",
        ),
        "loss_margin": Setting(0.5, _ARCFACE),
        "learning_rate": Setting(0.125, f"{_ARCFACE}: {_NETWORK_UNITS}"),
        "warm_up": Setting(
            0.05, f"{_NOT_STATED} a short one, then cosine, betas and clipping as in DeepInversion"
        ),
        "low_resolution": Setting(0.0, f"{_ARCFACE}: 112x112 throughout"),
        "flip": Setting(False, f"{_NOT_STATED} none"),
        "shift": Setting(0, f"{_NOT_STATED} none"),
        "wrap": Setting(False, f"{_NOT_STATED} none"),
        "batch_size": Setting(256, f"{_ARCFACE}: identities in a mini-batch"),
    },
    {
        "tv-norm": Setting(1e-3, f"{_ARCFACE}; form {_NOT_STATED} DeepInversion's"),
        "l2-norm": Setting(1e-4, _ARCFACE),
        "bn-arcface": Setting(0.05, _ARCFACE),
    },
    {
        "class": Setting("arcface", f"{_ARCFACE}: the training loss"),
        "template": Setting("euclidean", f"{_ARCFACE}: the l2 distance of features"),
    },
)

_YIN = "arXiv:1912.08795, published settings"
_DEEPINVERSION = Preset(
    _PUBLISHED
    | {
        "steps": Setting(3000, f"{_YIN}: 2,000 at half the size, then 1,000"),
        "loss_scale": Setting(
            64.0, "the logits of ArcFace networks are cosines times 64; for a template the same"
        ),
        "loss_margin": Setting(0.0, f"{_YIN}: no margin"),
        "learning_rate": Setting(0.125, f"{_YIN}: {_NETWORK_UNITS}"),
        "warm_up": Setting(100 / 3000, f"{_YIN}: 100 steps at each size, then cosine"),
        "low_resolution": Setting(
            2 / 3, f"{_YIN}: 2,000 of 3,000 steps; a network of one input size sees them enlarged"
        ),
        "flip": Setting(True, f"{_YIN}: half the time"),
        "shift": Setting(15, f"{_YIN}: 30 of 224 pixels, here of 112; drawn for each image"),
        "wrap": Setting(True, f"{_YIN}: what leaves on one side comes back on the other"),
        "batch_size": Setting(84, _YIN),
    },
    {
        "tv-norm": Setting(1e-4, _YIN),
        "l2-norm": Setting(1e-5, _YIN),
        "bn-deepinversion": Setting(0.01, _YIN),
    },
    {
        "class": Setting("arcface", f"{_YIN}: cross-entropy of the logits"),
        "template": Setting("euclidean", "no loss published; that of the ArcFace paper"),
    },
)

RECIPES: dict[RecipeName, Recipe] = {
    "arcinvert": Recipe(
        "arcinvert",
        "relative BatchNorm statistics; from what public faces reveal or, by the weights alone, from the "
        "mean face that the network expects",
        {"public-faces": _OURS, "weights": _OURS_WEIGHTS},
    ),
    "paper": Recipe(
        "ArcFace paper",
        "from noise, BatchNorm statistics in the paper's form, its weights; 20,000 steps",
        {"weights": _PAPER},
    ),
    "deepinversion": Recipe(
        "DeepInversion",
        "from noise, its norms of BatchNorm statistics, its weights, low resolution first; 3,000 steps",
        {"weights": _DEEPINVERSION},
    ),
}


def preset(recipe: RecipeName, knowledge: KnowledgeName | None = None) -> tuple[KnowledgeName, Preset]:
    """Return a recipe's preset with its level of knowledge; the recipe's default level where none is given.

    Raises:
        InputError: If there is no such recipe, or it does not exist at this level of knowledge.
    """
    if recipe not in RECIPES:
        raise InputError(f"recipe: expected one of {', '.join(RECIPES)}, got {recipe!r}")
    presets = RECIPES[recipe].presets
    level = next(iter(presets)) if knowledge is None else knowledge
    if level not in presets:
        raise InputError(f"knowledge: expected {' or '.join(presets)} for recipe {recipe}, got {level!r}")
    return level, presets[level]
