"""The options of a training. This module does not import torch."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from recognition.backbones import BACKBONES
from recognition.config import check, option
from recognition.errors import InputError
from recognition.heads import DEFAULT_MARGIN, HEADS
from recognition.losses import AUXILIARY_LOSSES
from recognition.options import Augmentation

Schedule = Literal["cosine", "polynomial"]
OptimiserName = Literal["sgd", "adamw"]
Undecayed = Literal["norms", "biases", "centres"]

#: Highest learning rate and weight decay where none is given. Source: of SGD the ArcFace paper, section 4.1;
#: of AdamW arcface_torch's configurations of vision transformers.
LEARNING_RATES: dict[OptimiserName, float] = {"sgd": 0.1, "adamw": 1e-3}
DECAYS: dict[OptimiserName, float] = {"sgd": 5e-4, "adamw": 0.1}

_NETWORK, _LOSS, _OPTIMISATION, _DATA = "network", "loss", "optimisation", "data"


@dataclass(frozen=True)
class TrainingOptions:
    """Everything that decides the result of a training: equal options and data give an equal network.

    Each field's meaning is in its metadata, from which the command line and its help are made.

    Raises:
        InputError: If a value has the wrong type or is out of range, or two values contradict each other.
    """

    network: str = option("iresnet18", help="the backbone", group=_NETWORK, choices=BACKBONES)
    width: float = option(
        1.0, help="factor that multiplies the number of channels of every layer", group=_NETWORK, above=0
    )
    embedding_size: int = option(512, help="dimensions of an embedding", group=_NETWORK, minimum=1)
    dropout: float = option(
        0.0,
        help="probability of dropout before the fully connected layer, of an IResNet",
        group=_NETWORK,
        minimum=0,
        below=1,
    )
    image_size: int = option(
        112,
        help="side in pixels of the images that the network is made for; below 112 for an IResNet only",
        group=_NETWORK,
        minimum=32,
        maximum=112,
    )
    start_size: int = option(
        112,
        help="side in pixels of the images in the first half of the epochs, which small images make faster; "
        "below 112 for an IResNet only",
        group=_OPTIMISATION,
        minimum=32,
        maximum=112,
    )
    head: str = option(
        "arcface",
        help=f"the head ({HEADS.help()}); options of the head may follow its name, as in "
        "subcentre:subcentres=3",
        group=_LOSS,
        metavar="NAME[:OPTION=VALUE,...]",
    )
    margin: float | None = option(
        None,
        help="additive angular margin in radians, of arcface and its variants "
        f"(default: {DEFAULT_MARGIN:g}); the margins of other heads are options of the head",
        group=_LOSS,
        minimum=0,
        maximum=math.pi / 2,
    )
    scale: float = option(
        32.0, help="factor of the cosines in every head except softmax", group=_LOSS, above=0
    )
    aux_losses: tuple[str, ...] = option(
        (),
        help=f"auxiliary losses to add to the head's loss ({AUXILIARY_LOSSES.help()}); options of the loss "
        "may follow its name, as in triplet:weight=0.5",
        group=_LOSS,
        flag="--aux-loss",
        metavar="NAME[:OPTION=VALUE,...]",
    )
    sample_rate: float = option(
        1.0,
        help="share of the classes that a step compares its images with: their own and others drawn at "
        "random (Partial FC); below 1 for heads with one centre per class, without auxiliary losses",
        group=_LOSS,
        above=0,
        maximum=1,
    )
    head_weight: float = option(
        1.0,
        help="weight of the head's loss beside a teacher's or auxiliary losses; 0 trains on these alone, "
        "without class centres",
        group=_LOSS,
        minimum=0,
    )
    teacher_weight: float = option(
        0.0,
        help="weight of the distillation loss, with --teacher: the distance to the teacher's embeddings and "
        "to their mutual similarities",
        group=_LOSS,
        minimum=0,
    )
    label_smoothing: float = option(
        0.0,
        help="share of a label's weight that is spread over all classes; a negative share makes the network "
        "harder to invert",
        group=_LOSS,
        above=-1,
        below=1,
    )
    epochs: int = option(30, help="number of passes over the training images", group=_OPTIMISATION, minimum=1)
    batch_size: int = option(
        128, help="number of images per step, of all ranks together", group=_OPTIMISATION, minimum=1
    )
    accumulate: int = option(
        1,
        help="number of equal parts in which a step's images are computed one after another, to save memory; "
        "batch statistics and image pairs are then those of a part",
        group=_OPTIMISATION,
        minimum=1,
    )
    optimiser: OptimiserName = option(
        "sgd",
        help="the optimiser: SGD with momentum 0.9, or AdamW, which vision transformers need",
        group=_OPTIMISATION,
    )
    learning_rate: float | None = option(
        None,
        help=f"highest learning rate (default: {LEARNING_RATES['sgd']:g} of sgd, {LEARNING_RATES['adamw']:g} "
        "of adamw)",
        group=_OPTIMISATION,
        above=0,
    )
    head_learning_rate: float = option(
        1.0,
        help="factor of the learning rate of the head and of auxiliary losses",
        group=_OPTIMISATION,
        above=0,
    )
    weight_decay: float | None = option(
        None,
        help=f"weight decay (default: {DECAYS['sgd']:g} of sgd, {DECAYS['adamw']:g} of adamw)",
        group=_OPTIMISATION,
        minimum=0,
    )
    no_decay: tuple[Undecayed, ...] = option(
        (),
        help="parameters without weight decay: norms, those of normalisation layers, as in AdaFace and "
        "InsightFace_Pytorch; biases, and the slopes of PReLU; centres, of the head and of auxiliary losses. "
        "In InsightFace's arcface_torch all decay (default: all decay)",
        group=_OPTIMISATION,
    )
    schedule: Schedule = option(
        "cosine", help="how the learning rate falls to zero after its warm-up", group=_OPTIMISATION
    )
    warm_up: float = option(
        0.05,
        help="share of all steps in which the learning rate rises",
        group=_OPTIMISATION,
        minimum=0,
        below=1,
    )
    ema: float = option(
        0.0,
        help="decay of an exponential moving average of the weights, such as 0.9999, which is then measured "
        "and saved in place of the weights; 0 keeps none",
        group=_OPTIMISATION,
        minimum=0,
        below=1,
    )
    held_out: int = option(
        600, help="number of identities that are kept out of training to measure the network", group=_DATA
    )
    images_per_identity: int = option(
        0,
        help="number of images of one identity that are kept together in a batch, for losses that compare "
        "pairs; 0 shuffles all images",
        group=_DATA,
        minimum=0,
    )
    augmentation: Augmentation = option(
        "full",
        help="random changes of the training images; flip is the horizontal flip of the ArcFace papers, mild "
        "suits a teacher, whose embeddings are of the unchanged images",
        group=_DATA,
    )
    seed: int = option(
        0,
        help="seed of the split, the initial weights, the order and the augmentation",
        group=_DATA,
        minimum=0,
        maximum=2**32 - 1,
    )

    def __post_init__(self) -> None:
        check(self)
        HEADS.check(self.head.partition(":")[0])
        for spec in self.aux_losses:
            AUXILIARY_LOSSES.check(spec.partition(":")[0])
        if self.batch_size % self.accumulate:
            raise InputError(
                f"accumulate: expected a divisor of the batch size {self.batch_size}, got {self.accumulate}"
            )
        if self.batch_size == self.accumulate:
            raise InputError(
                f"batch size: expected at least two images in each of {self.accumulate} parts, since "
                f"BatchNorm normalises over them, got {self.batch_size}; give a larger one"
            )

    @property
    def peak_learning_rate(self) -> float:
        """Highest learning rate, whether given or the optimiser's own."""
        return LEARNING_RATES[self.optimiser] if self.learning_rate is None else self.learning_rate

    @property
    def decay(self) -> float:
        """Weight decay, whether given or the optimiser's own."""
        return DECAYS[self.optimiser] if self.weight_decay is None else self.weight_decay

    def architecture(self) -> dict[str, Any]:
        """Return what is saved with the network so that `build_backbone` can build it again."""
        return {"network": self.network, "width": self.width, "embedding_size": self.embedding_size}
