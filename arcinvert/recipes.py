"""Recipes of an attack: each a preset that one can read, an option's name to its value and source.

The published ones are stated in the network's own units, -1..1; images here are in [0, 1], half as wide.
Free of torch, so that the command line can list them at once.
"""

from dataclasses import dataclass
from typing import Any, Literal

from recognition.errors import InputError

RecipeName = Literal["arcinvert", "paper", "deepinversion"]
KnowledgeName = Literal["public-faces", "weights"]


@dataclass(frozen=True)
class Setting:
    """An option's value, and where it comes from."""

    value: Any
    source: str


@dataclass(frozen=True)
class Recipe:
    """One way to attack.

    Args:
        title: what pictures and pages call it.
        text: what it is, in some words.
        presets: of each level of the attacker's knowledge that it exists at, the default first: the
            `AttackOptions` by name.
    """

    title: str
    text: str
    presets: dict[KnowledgeName, dict[str, Setting]]


_TUNED = "tuned on people that the bundled network was trained on"
_OURS = {
    "steps": Setting(0, "what suits the parametrisation"),
    "start": Setting("auto", "what public faces tell of a template's face, at least where its parts are"),
    "parametrisation": Setting("auto", "what public faces vary along, where there are any"),
    "loss": Setting("auto", "the angle is what recognisers compare; for a class the loss that trained it"),
    "loss_scale": Setting(0.0, "as the network was trained"),
    "loss_margin": Setting(1.0, "wider than in training: the loss then goes on once the class is won"),
    "whiten": Setting(True, "what tells one class from others counts more than what many share"),
    "prior": Setting("scale-free", "a layer then weighs the same whatever its size"),
    "prior_weight": Setting(1.0, _TUNED),
    "coordinate_weight": Setting(0.3, _TUNED),
    "image_prior": Setting("mean", "its weight then does not depend on the picture's size"),
    "tv_weight": Setting(2.0, _TUNED),
    "colour_weight": Setting(-1.0, "what suits the parametrisation"),
    "l2_weight": Setting(0.0, "not needed: pixels are kept in range"),
    "learning_rate": Setting(0.0, "what suits the parametrisation"),
    "warm_up": Setting(0.05, "Adam's first steps are the roughest"),
    "coarse": Setting(0.0, "not needed from the mean face"),
    "average": Setting(0.0, "the learning rate falls to nothing by itself"),
    "regression_share": Setting(-1.0, "two estimates that err in different ways are nearer in the mean"),
    "restarts": Setting(0, "what suits the parametrisation"),
    "flip": Setting(True, "faces are nearly symmetric"),
    "shift": Setting(-1, "what suits the parametrisation"),
    "wrap": Setting(False, "the other side of a face is no background"),
    "scale": Setting(-1.0, "what suits the parametrisation"),
    "feature_dropout": Setting(-1.0, "what suits the parametrisation"),
    "batch_size": Setting(16, "fits into the memory of small machines"),
}

#: By the weights alone.
_OURS_WEIGHTS = _OURS | {
    "start": Setting("dream", "the mean face that the network expects where its input has to be aligned"),
    "parametrisation": Setting("pixels", "nothing made from faces is known"),
    "regression_share": Setting(0.0, "nothing made from faces is known"),
}

_NOT_IN_IT = "not part of it"
_NETWORK_UNITS = "0.25 in the network's units, -1..1"
#: What both published recipes share.
_PUBLISHED = {
    "start": Setting("noise", "N(0, 1) in the network's units, which the pixels' range then clips"),
    "parametrisation": Setting("pixels", "pixels are optimised"),
    "whiten": Setting(False, _NOT_IN_IT),
    "coordinate_weight": Setting(0.0, _NOT_IN_IT),
    "colour_weight": Setting(0.0, _NOT_IN_IT),
    "scale": Setting(0.0, _NOT_IN_IT),
    "feature_dropout": Setting(0.0, _NOT_IN_IT),
    "average": Setting(0.0, _NOT_IN_IT),
    "regression_share": Setting(0.0, _NOT_IN_IT),
    "restarts": Setting(1, _NOT_IN_IT),
}

_ARCFACE = "arXiv:1801.07698v4, sections 3.3 and 4.5"
_NOT_STATED = "not stated in the paper; chosen here:"
_PAPER = _PUBLISHED | {
    "steps": Setting(20_000, _ARCFACE),
    "loss": Setting("paper", f"{_ARCFACE}: the training loss for a class, else the l2 distance"),
    "loss_scale": Setting(
        64.0,
        f"{_ARCFACE}; of a template's features {_NOT_STATED} the same, with which the distance outweighs "
        "the statistics as the training loss does (of unit norm it is lost beside them)",
    ),
    "loss_margin": Setting(0.5, _ARCFACE),
    "prior": Setting("paper", _ARCFACE),
    "prior_weight": Setting(0.05, _ARCFACE),
    "image_prior": Setting("norm", f"form {_NOT_STATED} DeepInversion's"),
    "tv_weight": Setting(1e-3, _ARCFACE),
    "l2_weight": Setting(1e-4, _ARCFACE),
    "learning_rate": Setting(0.125, f"{_ARCFACE}: {_NETWORK_UNITS}"),
    "warm_up": Setting(
        0.05, f"{_NOT_STATED} a short one, then cosine, betas and clipping as DeepInversion's"
    ),
    "coarse": Setting(0.0, f"{_ARCFACE}: 112x112 throughout"),
    "flip": Setting(False, f"{_NOT_STATED} none"),
    "shift": Setting(0, f"{_NOT_STATED} none"),
    "wrap": Setting(False, f"{_NOT_STATED} none"),
    "batch_size": Setting(256, f"{_ARCFACE}: identities in a mini-batch"),
}

_YIN = "arXiv:1912.08795, published settings"
_DEEPINVERSION = _PUBLISHED | {
    "steps": Setting(3000, f"{_YIN}: 2,000 at half the size, then 1,000"),
    "loss": Setting(
        "paper",
        f"{_YIN}: cross-entropy of the logits; for a template, which it has no loss for, the ArcFace paper's",
    ),
    "loss_scale": Setting(
        64.0, "the logits of ArcFace networks are cosines times 64; for a template the same"
    ),
    "loss_margin": Setting(0.0, f"{_YIN}: no margin"),
    "prior": Setting("deepinversion", f"{_YIN}: its norms, the first layer ten times"),
    "prior_weight": Setting(0.01, _YIN),
    "image_prior": Setting("norm", _YIN),
    "tv_weight": Setting(1e-4, _YIN),
    "l2_weight": Setting(1e-5, _YIN),
    "learning_rate": Setting(0.125, f"{_YIN}: {_NETWORK_UNITS}"),
    "warm_up": Setting(100 / 3000, f"{_YIN}: 100 steps at each size, then cosine"),
    "coarse": Setting(2 / 3, f"{_YIN}: 2,000 of 3,000 steps; a network of one input size sees them enlarged"),
    "flip": Setting(True, f"{_YIN}: half the time"),
    "shift": Setting(15, f"{_YIN}: 30 of 224 pixels, here of 112; drawn for each image"),
    "wrap": Setting(True, f"{_YIN}: what leaves on one side comes back on the other"),
    "batch_size": Setting(84, _YIN),
}

RECIPES: dict[RecipeName, Recipe] = {
    "arcinvert": Recipe(
        "arcinvert",
        "scale-free statistics, from what public faces tell or, by the weights alone, from the face in them",
        {"public-faces": _OURS, "weights": _OURS_WEIGHTS},
    ),
    "paper": Recipe(
        "ArcFace paper",
        "noise start, statistics in the paper's form, its weights; the paper takes 20,000 steps",
        {"weights": _PAPER},
    ),
    "deepinversion": Recipe(
        "DeepInversion",
        "noise start, its form of statistics, its weights, coarse to fine, jitter; it takes 3,000 steps",
        {"weights": _DEEPINVERSION},
    ),
}


def knowledge_of(recipe: RecipeName) -> KnowledgeName:
    """The level of knowledge that a recipe is at where none is asked for."""
    return next(iter(RECIPES[recipe].presets))


def preset(recipe: RecipeName, knowledge: KnowledgeName) -> dict[str, Any]:
    """A recipe's options by name.

    Raises:
        InputError: there is no such recipe, or not at this level of knowledge.
    """
    if recipe not in RECIPES:
        raise InputError(f"recipe: expected one of {', '.join(RECIPES)}, got {recipe!r}")
    presets = RECIPES[recipe].presets
    if knowledge not in presets:
        levels = " or ".join(presets)
        raise InputError(f"knowledge: expected {levels} for recipe {recipe}, got {knowledge!r}")
    return {name: setting.value for name, setting in presets[knowledge].items()}
