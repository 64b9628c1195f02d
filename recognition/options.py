"""The options of a training, a device and a precision; free of torch, so that a command line can
list them at once.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from recognition.errors import InputError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]
#: Half precision needs its gradients scaled, which training does.
TrainingPrecision = Literal["auto", "float32", "bfloat16", "float16"]
Schedule = Literal["cosine", "polynomial"]
Augmentation = Literal["full", "flip"]


@dataclass(frozen=True)
class TrainingOptions:
    """What decides a training's result; the same options and data give the same network.

    Args:
        width: multiplies the network's channels.
        epochs: passes over the training photographs.
        batch_size: images a step; accumulate: equal parts in which a step's images are computed, one
            after the other, to save memory. Batch statistics and pairs are a part's.
        learning_rate: at its highest; SGD with momentum 0.9.
        margin: radians, of ArcFace and sub-center ArcFace; scale: the radius of the sphere, of every
            head that has one. Other options of a head follow its name.
        held_out: identities kept out of training for the figures.
        start_size: pixels; images of the first half of the epochs are shrunk to this side, which
            costs less and learns the coarse things first.
        head: name and options, see recognition/heads; terms: of added losses, see recognition/losses.
        schedule: of the learning rate after warm-up; warm_up: share of all steps in which it rises.
        image_size: pixels; the network is made for aligned images shrunk to this side.
        images_per_identity: kept together in a batch, for losses that compare pairs; 0 shuffles.
        augmentation: `full`, or the papers' `flip`.
        label_smoothing: share of a label's weight that is spread over all classes; negative: taken from
            them, a defence against inversion.
    """

    network: str = "iresnet18"
    width: float = 1.0
    embedding_size: int = 512
    epochs: int = 30
    batch_size: int = 128
    learning_rate: float = 0.1
    weight_decay: float = 5e-4
    margin: float = 0.4
    scale: float = 32.0
    dropout: float = 0.0
    held_out: int = 600
    start_size: int = 112
    seed: int = 0
    # What follows came later: states and files of before have none of it, and mean these values.
    head: str = "arcface"
    terms: tuple[str, ...] = ()
    schedule: Schedule = "cosine"
    warm_up: float = 0.05
    accumulate: int = 1
    image_size: int = 112
    images_per_identity: int = 0
    augmentation: Augmentation = "full"
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "embedding_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected at least 1, got {getattr(self, name)}")
        for name, allowed in (("schedule", get_args(Schedule)), ("augmentation", get_args(Augmentation))):
            if getattr(self, name) not in allowed:
                raise InputError(f"{name}: expected one of {', '.join(allowed)}, got {getattr(self, name)!r}")
        for name, fine, expected in self._ranges():
            if not fine:
                raise InputError(f"{name.replace('_', ' ')}: expected {expected}, got {getattr(self, name)}")
        if min(self.start_size, self.image_size) != 112 and not self.network.startswith("iresnet"):
            raise InputError(f"start size: only IResNets train on smaller images, got {self.network}")
        angular = self.head.partition(":")[0] in ("arcface", "subcentre")
        if not angular and self.margin != type(self).margin:
            raise InputError(
                f"margin: expected it with arcface or subcentre alone, got it with {self.head}; its own "
                "options follow its name, as in --head cosface:distance=0.3"
            )

    def _ranges(self) -> tuple[tuple[str, bool, str], ...]:
        """Each option with a range, whether it is in it, and what the range is."""
        divides = self.accumulate >= 1 and self.batch_size % self.accumulate == 0
        return (
            ("learning_rate", 0 < self.learning_rate < math.inf, "a positive number"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "0 or more"),
            ("dropout", 0 <= self.dropout < 1, "a probability below 1"),
            ("seed", 0 <= self.seed < 2**32, "0 to 2**32 - 1"),
            ("start_size", 32 <= self.start_size <= 112, "32 to 112 pixels"),
            ("image_size", 32 <= self.image_size <= 112, "32 to 112 pixels"),
            ("warm_up", 0 <= self.warm_up < 1, "a share of the steps below 1"),
            ("accumulate", divides, f"a divisor of the batch size {self.batch_size}"),
            ("label_smoothing", -1 < self.label_smoothing < 1, "more than -1 and less than 1"),
            ("images_per_identity", self.images_per_identity >= 0, "0 or more"),
        )

    def architecture(self) -> dict[str, Any]:
        """What `build_backbone` needs."""
        return {"network": self.network, "width": self.width, "embedding_size": self.embedding_size}
