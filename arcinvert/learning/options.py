"""The options of the training of a decoder. This module does not import torch."""

from dataclasses import dataclass

from recognition.config import check, option

_LENGTH, _LOSS, _OPTIMISATION = "length of the training", "loss", "optimisation"


@dataclass(frozen=True)
class LearningOptions:
    """Everything besides faces and network that decides a decoder.

    Raises:
        InputError: If a value is of another type or out of its range.
    """

    epochs: int | None = option(
        help="the number of passes through the faces; 12 where neither it nor --minutes is given",
        group=_LENGTH,
        minimum=1,
    )
    minutes: float | None = option(
        help="the duration of the training: as many epochs as the machine manages in it, at least one, by "
        "the speed of its first steps",
        group=_LENGTH,
        above=0,
    )
    batch_size: int = option(32, help="the number of faces of a step", group=_OPTIMISATION, minimum=2)
    learning_rate: float = option(
        2e-3, help="the highest learning rate of Adam", group=_OPTIMISATION, above=0
    )
    average: float = option(
        0.995,
        help="the decay, from step to step, of the running mean of the weights, which is what is saved; "
        "lower in the first steps",
        group=_OPTIMISATION,
        minimum=0,
        below=1,
    )
    pixel_weight: float = option(
        4.0,
        help="the weight of the mean absolute difference of pixels, at full and at lower resolutions",
        group=_LOSS,
        minimum=0,
    )
    perceptual_weight: float = option(
        0.5,
        help="the weight of the squared difference of the network's inner features",
        group=_LOSS,
        minimum=0,
    )
    identity_weight: float = option(
        2.0,
        help="the weight of 1 - cosine of a face's embedding to the template it was decoded from",
        group=_LOSS,
        minimum=0,
    )
    network_fraction: float = option(
        0.5,
        help="the fraction of each batch that is shown to the network, which takes most of the time; the "
        "others have the loss of pixels alone",
        group=_LOSS,
        minimum=0,
        maximum=1,
    )
    seed: int = option(0, help="the seed of all random numbers", minimum=0, maximum=2**63 - 1)

    def __post_init__(self) -> None:
        check(self)
