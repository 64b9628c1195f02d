"""What decides what an attack makes; free of torch, so that the command line can list it at once."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_type_hints

from arcinvert.recipes import KnowledgeName, RecipeName, knowledge_of, preset
from recognition.errors import InputError
from recognition.options import Precision

InitialisationName = Literal["auto", "nearest_neighbours", "regression", "mean", "dream", "noise"]
ParametrisationName = Literal["auto", "eigenfaces", "pixels", "fourier"]
LossName = Literal["auto", "paper", "arcface", "cosine", "euclidean"]
PriorName = Literal["scale-free", "per-image", "per-location", "paper", "deepinversion", "none"]
ImagePriorName = Literal["mean", "norm"]


#: Starts that are made of public faces.
FACE_INITIALISATIONS = frozenset({"nearest_neighbours", "regression", "mean"})
#: Stands for the parametrisation's own value, where 0 means something.
OWN = -1


def _option(default: Any, text: str, *, least: float | None = None) -> Any:
    return field(default=default, metadata={"help": text, "least": least, "own": False})


def _of_recipe(text: str, *, least: float | None = None, own: bool = False) -> Any:
    """An option that the recipe decides where it is not given; `own`: that takes -1 too."""
    return field(default=None, metadata={"help": text, "least": least, "own": own})


@dataclass(frozen=True)
class AttackOptions:
    """Everything that decides what an attack makes; each field says its meaning in its metadata.

    What is None, or not given, is the recipe's (recipes.py) at the chosen level of knowledge.

    Raises:
        InputError: a value is out of its range, or two contradict each other.
    """

    recipe: RecipeName = _option("arcinvert", "preset of the options below that are not given")
    knowledge: KnowledgeName = _of_recipe(
        "what the attacker has besides the target: weights: the network alone; public-faces: also faces "
        "of other people, without labels"
    )
    samples: int = _option(1, "reconstructions of each identity", least=1)
    seed: int = _option(0, "of all random numbers", least=0)
    steps: int = _of_recipe("of the optimiser; 0: the parametrisation's own", least=0)
    settle: float = _option(
        0.0,
        "end early when no image of a batch has gained more than this in 20 steps: cosine of the attacked "
        "network under random views; 0 takes every step",
        least=0,
    )
    start: InitialisationName = _of_recipe(
        "nearest_neighbours: the mean of public faces whose templates are the nearest, gathered by "
        "'arcinvert calibrate'; regression: the face that goes with a template on average, by a linear map "
        "that it fits; mean: the mean of all; dream: the mean face in the network's own weights; noise: "
        "nothing but noise; auto: the first of these that the knowledge allows and that is there"
    )
    parametrisation: ParametrisationName = _of_recipe(
        "what is optimised; auto: eigenfaces where the start is made of public faces, whose pictures keep to "
        "what faces look like; else pixels"
    )
    loss: LossName = _of_recipe(
        "arcface: the training loss over all centres (closed-set); auto: arcface for a class, else "
        "cosine; paper: arcface for a class, else euclidean"
    )
    loss_scale: float = _of_recipe(
        "of the arcface loss, and the radius of embeddings in the euclidean one; 0: the network's own, and 1",
        least=0,
    )
    loss_margin: float = _of_recipe("of the arcface loss, radians; -1: the network's own", least=0, own=True)
    whiten: bool = _of_recipe(
        "compare templates in coordinates in which all known ones spread alike: class centres in the arcface "
        "loss, where there are more than dimensions, and public faces' where look-alikes are found"
    )
    prior: PriorName = _of_recipe(
        "form of the activation-statistics prior; per-location: also of each place, measured on public faces "
        "by 'arcinvert calibrate'"
    )
    statistics: str = _option(
        "",
        "file of 'arcinvert calibrate' for --prior, where the network has no BatchNorm statistics of its "
        "own, and for per-location; without, the one that lies beside the model",
    )
    prior_weight: float = _of_recipe("of the BatchNorm-statistics prior", least=0)
    coordinate_weight: float = _of_recipe("of the Gaussian prior on eigenface coordinates", least=0)
    image_prior: ImagePriorName = _of_recipe(
        "form of total variation and l2; mean: of absolute differences and of squares, over the pixels; "
        "norm: DeepInversion's Euclidean norms of the whole image"
    )
    tv_weight: float = _of_recipe("of total variation", least=0)
    colour_weight: float = _of_recipe(
        "of total variation of the colours alone; -1: the parametrisation's own", least=0, own=True
    )
    l2_weight: float = _of_recipe("of the distance from mid-grey", least=0)
    learning_rate: float = _of_recipe("of Adam at its highest; 0: the parametrisation's own", least=0)
    warm_up: float = _of_recipe("share of all steps in which the learning rate rises", least=0)
    coarse: float = _of_recipe(
        "share of all steps, the first ones, in which images of half the size are optimised", least=0
    )
    average: float = _of_recipe(
        "share of all steps, the last ones, whose images are averaged for the result; 0: the last image",
        least=0,
    )
    regression_share: float = _of_recipe(
        "share of the picture that is the face which a template's regression gives, the rest being what "
        "gradients found; -1: half for a class, none for a template, where 'arcinvert calibrate' fitted one",
        least=0,
        own=True,
    )
    restarts: int = _of_recipe(
        "how often each sample is begun, with other random numbers, each time for all steps; kept is the "
        "image that the attacked network finds most similar under random views; 0: the parametrisation's own",
        least=0,
    )
    flip: bool = _of_recipe("mirror the views at random")
    shift: int = _of_recipe("of the random views, pixels; -1: the parametrisation's own", least=0, own=True)
    wrap: bool = _of_recipe("what a view shifts out on one side comes in on the other")
    scale: float = _of_recipe(
        "of the random views, relative change of size; -1: the parametrisation's own", least=0, own=True
    )
    feature_dropout: float = _of_recipe(
        "share of the features before the embedding that is hidden at random at each step; -1: the "
        "parametrisation's own",
        least=0,
        own=True,
    )
    batch_size: int = _of_recipe("images optimised together; their statistics are one", least=1)
    precision: Precision = _option("auto", "auto: bfloat16 where the hardware has it")

    def __post_init__(self) -> None:
        self._resolve()
        for option in fields(self):
            value, least = getattr(self, option.name), option.metadata["least"]
            own = option.metadata["own"] and value == OWN
            if least is not None and not own and not least <= value < float("inf"):
                raise InputError(f"{option.name}: expected a number from {least} up, got {value}")
            allowed = choices(option.name)
            if allowed and value not in allowed:
                raise InputError(f"{option.name}: expected one of {', '.join(allowed)}, got {value!r}")
        for name in ("scale", "feature_dropout", "warm_up", "coarse", "average"):
            if getattr(self, name) >= 1:
                raise InputError(f"{name}: expected less than 1, got {getattr(self, name)}")
        if self.regression_share > 1:
            raise InputError(f"regression_share: expected at most 1, got {self.regression_share}")
        if self.shift > 56:
            raise InputError(f"shift: expected at most 56 pixels, got {self.shift}")
        if self.seed >= 2**63:
            raise InputError(f"seed: expected less than 2**63, got {self.seed}")
        self._check_knowledge()

    def _resolve(self) -> None:
        """Put the recipe's values where none were given."""
        if self.recipe not in choices("recipe"):
            raise InputError(f"recipe: expected one of {', '.join(choices('recipe'))}, got {self.recipe!r}")
        if self.knowledge is None:
            object.__setattr__(self, "knowledge", knowledge_of(self.recipe))
        for name, value in preset(self.recipe, self.knowledge).items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    def _check_knowledge(self) -> None:
        if self.knowledge != "weights":
            return
        for name, made_of_faces, instead in (
            ("start", self.start in FACE_INITIALISATIONS, "dream or noise"),
            ("parametrisation", self.parametrisation == "eigenfaces", "pixels or fourier"),
            ("statistics", self.statistics != "", "none"),
            ("prior", self.prior == "per-location", "another"),
            ("regression_share", self.regression_share > 0, "0"),
        ):
            if made_of_faces:
                raise InputError(
                    f"{name}: expected {instead} with knowledge of the weights alone, got "
                    f"{getattr(self, name)}, which is made of public faces"
                )

    def changes(self) -> dict[str, Any]:
        """The options that differ from their recipe's."""
        recipe = preset(self.recipe, self.knowledge)
        return {name: getattr(self, name) for name in recipe if getattr(self, name) != recipe[name]}


def choices(name: str) -> tuple[str, ...]:
    """The values that an option of this name takes; empty where it is a number."""
    values: tuple[str, ...] = get_args(get_type_hints(AttackOptions)[name])
    return values


def value_type(name: str) -> type:
    """What an option's value is: bool, int, float or str."""
    kind: type = get_type_hints(AttackOptions)[name]
    return str if choices(name) else kind
