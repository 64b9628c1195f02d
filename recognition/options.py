"""The options of a training, a device and a precision; free of torch, so that a command line can
list them at once.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

from recognition.errors import InputError

DeviceName = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class TrainingOptions:
    """What decides a training's result; the same options and data give the same network.

    Args:
        width: multiplies the network's channels.
        epochs: passes over the training photographs.
        learning_rate: at its highest; SGD with momentum 0.9, warm-up and cosine.
        margin: radians; scale: the radius of the sphere.
        held_out: identities kept out of training for the figures.
        start_size: pixels; images of the first half of the epochs are shrunk to this side, which
            costs less and learns the coarse things first.
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

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "embedding_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning rate: expected a positive number, got {self.learning_rate}")
        if not 0 <= self.weight_decay < math.inf:
            raise InputError(f"weight decay: expected 0 or more, got {self.weight_decay}")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout: expected a probability below 1, got {self.dropout}")
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed: expected 0 to 2**32 - 1, got {self.seed}")
        if not 32 <= self.start_size <= 112:
            raise InputError(f"start size: expected 32 to 112 pixels, got {self.start_size}")
        if self.start_size != 112 and not self.network.startswith("iresnet"):
            raise InputError(f"start size: only IResNets train on smaller images, got {self.network}")

    def architecture(self) -> dict[str, Any]:
        """What `build_backbone` needs."""
        return {"network": self.network, "width": self.width, "embedding_size": self.embedding_size}
