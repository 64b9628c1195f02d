"""Options of an attack, as a user gives them; this module does not import torch."""

from dataclasses import dataclass, fields
from typing import Any

from arcinvert.arguments import check_callback, check_path
from arcinvert.inversion.appearance import MAX_AGE, MAX_PITCH, MAX_YAW, MIN_AGE, Appearance
from arcinvert.inversion.initialisation import INITIALISATIONS
from arcinvert.inversion.parametrisations import PARAMETRISATIONS
from arcinvert.inversion.penalties import PENALTIES
from arcinvert.inversion.size import SIZES
from arcinvert.inversion.targets import LOSSES
from arcinvert.recipes import KnowledgeName, RecipeName
from recognition.appearance.expressions import Expression
from recognition.config import check, check_name, option
from recognition.errors import InputError

_RECIPE, _LENGTH = "recipe and knowledge", "length of the optimisation"
_IMAGES, _LOSS = "what is optimised", "loss and penalties"
_APPEARANCE = "pose, expression, age and size"
_AUGMENTATION, _RUN = "augmentation", "run"


@dataclass(frozen=True)
class AttackOptions:
    """What a user may decide about an attack; `help` of each field says its meaning.

    None means "not given": the recipe decides (arcinvert/recipes.py), and where the recipe leaves it open,
    `arcinvert.resolve.resolve` decides by the network, the attacker's knowledge and the kind of target.

    Raises:
        InputError: If a value is of another type or out of its range.
    """

    recipe: RecipeName = option(
        "arcinvert", help="the preset of all options that are not given", group=_RECIPE
    )
    knowledge: KnowledgeName | None = option(
        help="what the attacker knows besides the target: weights is the network alone, public-faces adds "
        "faces of other people, without labels",
        group=_RECIPE,
    )
    samples: int = option(1, help="the number of reconstructions of each identity", group=_RUN, minimum=1)
    seed: int = option(0, help="the seed of all random numbers", group=_RUN, minimum=0, maximum=2**63 - 1)
    batch_size: int | None = option(
        help="the number of images optimised together, which share BatchNorm statistics",
        group=_RUN,
        minimum=1,
    )
    steps: int | None = option(
        help="the optimiser steps of each image; with 0 the initial images are the result, without noise",
        group=_LENGTH,
        minimum=0,
    )
    restarts: int | None = option(
        help="how often each sample is started anew with other random numbers; the image that the attacked "
        "network finds most similar under random augmentation is kept",
        group=_LENGTH,
        minimum=1,
    )
    restart_steps: int | None = option(
        help="the optimiser steps of each of several restarts, after which only the image that is kept takes "
        "the rest of the steps; as many as --steps make restarts whole",
        group=_LENGTH,
        minimum=1,
    )
    retries: int | None = option(
        help="how often an image is attacked again, in larger steps, that the attacked network finds less "
        "similar to its target than it finds images of successful attacks",
        group=_LENGTH,
        minimum=0,
    )
    early_stopping: float | None = option(
        help="stop when no image of a batch gained more than this cosine similarity in 20 steps",
        group=_LENGTH,
        minimum=0,
    )
    learning_rate: float | None = option(help="the highest learning rate of Adam", group=_LENGTH, above=0)
    warm_up: float | None = option(
        help="the fraction of the steps in which the learning rate rises", group=_LENGTH, minimum=0, below=1
    )
    low_resolution: float | None = option(
        help="the fraction of the steps, the first ones, that optimise images of half the size",
        group=_LENGTH,
        minimum=0,
        below=1,
    )
    average: float | None = option(
        help="the fraction of the steps, the last ones, whose images are averaged for the result",
        group=_LENGTH,
        minimum=0,
        below=1,
    )
    initialisation: str | None = option(
        help=f"the image that the optimisation starts from; {INITIALISATIONS.help()}",
        group=_IMAGES,
        choices=INITIALISATIONS,
        metavar="NAME",
    )
    parametrisation: str | None = option(
        help=f"what represents an image; {PARAMETRISATIONS.help()}",
        group=_IMAGES,
        choices=PARAMETRISATIONS,
    )
    regression_blend: float | None = option(
        help="the fraction of the result that is the face which the linear regression predicts from the "
        "template; the rest is what the gradients found",
        group=_IMAGES,
        minimum=0,
        maximum=1,
    )
    skin_tone: bool | None = option(
        help="give the result the skin tone that the decoder or public faces with similar templates predict",
        group=_IMAGES,
    )
    loss: str | None = option(
        help=f"how embeddings are compared with the target; {LOSSES.help()}", group=_LOSS, choices=LOSSES
    )
    loss_scale: float | None = option(
        help="the scale s of the arcface loss, and the radius of the embeddings in the euclidean loss",
        group=_LOSS,
        above=0,
    )
    loss_margin: float | None = option(
        help="the margin of the arcface loss, in radians", group=_LOSS, minimum=0
    )
    whiten: bool | None = option(
        help="compare class centres and the templates of public faces after whitening", group=_LOSS
    )
    penalty: dict[str, float | None] = option(
        {},
        help="weights of the penalties, 0 to leave one out; others keep the recipe's weights. Names: "
        + PENALTIES.help(),
        group=_LOSS,
        minimum=0,
        metavar="NAME=WEIGHT",
    )
    yaw: float | None = option(
        help="the degrees by which the face is to be turned, positive to the right of the picture",
        group=_APPEARANCE,
        minimum=-MAX_YAW,
        maximum=MAX_YAW,
        metavar="DEGREES",
    )
    pitch: float | None = option(
        help="the degrees by which the face is to look up, or down where negative",
        group=_APPEARANCE,
        minimum=-MAX_PITCH,
        maximum=MAX_PITCH,
        metavar="DEGREES",
    )
    expression: Expression | None = option(help="the expression that the face is to have", group=_APPEARANCE)
    age: float | None = option(
        help="how old the face is to look",
        group=_APPEARANCE,
        minimum=MIN_AGE,
        maximum=MAX_AGE,
        metavar="YEARS",
    )
    size: int | None = option(
        help="the side of the result in pixels, 112 or 224: at 224, detail as in photographs is added to the "
        "finished face; not given, it has the size that the network takes",
        group=_APPEARANCE,
        metavar="PIXELS",
    )
    flip: bool | None = option(
        help="mirror the images at random in front of the network", group=_AUGMENTATION
    )
    shift: int | None = option(
        help="the largest random shift in front of the network, in pixels",
        group=_AUGMENTATION,
        minimum=0,
        maximum=56,
    )
    scale: float | None = option(
        help="the largest random change of size in front of the network, as a fraction",
        group=_AUGMENTATION,
        minimum=0,
        below=1,
    )
    wrap: bool | None = option(
        help="let what a shift moves out on one side come in on the other", group=_AUGMENTATION
    )
    feature_dropout: float | None = option(
        help="the fraction of the features before the embedding that is dropped at random in each step",
        group=_AUGMENTATION,
        minimum=0,
        below=1,
    )

    def __post_init__(self) -> None:
        check(self)
        for name in self.penalty:
            PENALTIES.check(name)
        if self.size not in (None, *SIZES):
            raise InputError(f"size: expected {' or '.join(map(str, SIZES))} pixels, got {self.size}")

    @property
    def appearance(self) -> Appearance:
        """The pose, the expression and the age that are asked for."""
        return Appearance(self.yaw, self.pitch, self.expression, self.age)

    def given(self) -> dict[str, Any]:
        """Return the options that were given, without the recipe and those that have a plain default."""
        plain = {"recipe", "knowledge", "samples", "seed"}
        values = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name not in plain}
        values["penalty"] = {name: weight for name, weight in self.penalty.items() if weight is not None}
        return {name: value for name, value in values.items() if value is not None and value != {}}


def attack_options(options: dict[str, Any]) -> AttackOptions:
    """Return options of an attack.

    Raises:
        InputError: If one is unknown, of another type or out of range.
    """
    for name in options:
        try:
            check_name(AttackOptions, name)
        except InputError as error:
            raise InputError(f"options: {error}") from None
    return AttackOptions(**options)


def checked_options(options: dict[str, Any], out: Any, progress: Any, photos: Any = None) -> AttackOptions:
    """Return options of an attack after checking them and the other arguments of a call.

    Raises:
        InputError: If one is unknown, of another type or out of range.
    """
    check_path("out", out)
    check_path("photos", photos)
    check_callback("progress", progress)
    return attack_options(options)
