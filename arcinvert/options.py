"""What decides what an attack makes; free of torch, so that the command line can list it at once."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_type_hints

from recognition.errors import InputError
from recognition.options import Precision

StartName = Literal["mean", "noise"]
ParametrisationName = Literal["auto", "eigenfaces", "pixels", "fourier"]
LossName = Literal["auto", "arcface", "cosine", "euclidean"]
PriorName = Literal["scale-free", "paper", "deepinversion", "none"]


#: Stands for the parametrisation's own value, where 0 means something.
OWN = -1


def _option(default: Any, text: str, *, least: float | None = None) -> Any:
    return field(default=default, metadata={"help": text, "least": least})


@dataclass(frozen=True)
class AttackOptions:
    """Everything that decides what an attack makes; each field says its meaning in its metadata.

    Raises:
        InputError: a value is out of its range.
    """

    samples: int = _option(1, "reconstructions of each identity", least=1)
    seed: int = _option(0, "of all random numbers", least=0)
    steps: int = _option(250, "of the optimiser", least=1)
    settle: float = _option(
        0.0,
        "end early when no image of a batch has gained more than this in 20 steps: cosine of the attacked "
        "network under random views; 0 takes every step",
        least=0,
    )
    start: StartName = _option(
        "mean", "mean: the mean aligned face, so the attacker has public faces; noise: the weights alone"
    )
    parametrisation: ParametrisationName = _option(
        "auto",
        "what is optimised; auto: eigenfaces for a network of ours, whose few photographs leave much "
        "to the prior, else pixels; from noise pixels",
    )
    loss: LossName = _option(
        "auto",
        "arcface: the training loss over all centres (closed-set); auto: arcface for a class, else cosine",
    )
    prior: PriorName = _option("scale-free", "form of the BatchNorm-statistics prior")
    statistics: str = _option(
        "", "file of 'arcinvert calibrate' for --prior, where the network has none or in place of its own"
    )
    prior_weight: float = _option(1.0, "of the BatchNorm-statistics prior", least=0)
    coordinate_weight: float = _option(0.1, "of the Gaussian prior on eigenface coordinates", least=0)
    tv_weight: float = _option(2.0, "of total variation", least=0)
    colour_weight: float = _option(4.0, "of total variation of the colours alone", least=0)
    l2_weight: float = _option(0.0, "of the squared distance from mid-grey", least=0)
    learning_rate: float = _option(0.0, "of Adam at its highest; 0: the parametrisation's own", least=0)
    flip: bool = _option(True, "mirror the views at random")
    shift: int = _option(OWN, "of the random views, pixels; -1: the parametrisation's own", least=0)
    scale: float = _option(
        float(OWN), "of the random views, relative change of size; -1: the parametrisation's own", least=0
    )
    feature_dropout: float = _option(
        float(OWN),
        "share of the features before the embedding that is hidden at random at each step; -1: the "
        "parametrisation's own",
        least=0,
    )
    batch_size: int = _option(16, "images optimised together; their statistics are one", least=1)
    precision: Precision = _option("auto", "auto: bfloat16 where the hardware has it")

    def __post_init__(self) -> None:
        for option in fields(self):
            value, least = getattr(self, option.name), option.metadata["least"]
            own = value == OWN == option.default
            if least is not None and not own and not least <= value < float("inf"):
                raise InputError(f"{option.name}: expected a number from {least} up, got {value}")
            allowed = choices(option.name)
            if allowed and value not in allowed:
                raise InputError(f"{option.name}: expected one of {', '.join(allowed)}, got {value!r}")
        for name in ("scale", "feature_dropout"):
            if getattr(self, name) >= 1:
                raise InputError(f"{name}: expected less than 1, got {getattr(self, name)}")
        if self.shift > 56:
            raise InputError(f"shift: expected at most 56 pixels, got {self.shift}")
        if self.seed >= 2**63:
            raise InputError(f"seed: expected less than 2**63, got {self.seed}")


def choices(name: str) -> tuple[str, ...]:
    """The values that an option of this name takes; empty where it is a number."""
    values: tuple[str, ...] = get_args(get_type_hints(AttackOptions)[name])
    return values
