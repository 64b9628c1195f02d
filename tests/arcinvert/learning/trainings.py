"""Trainings of decoders that take a fraction of a second."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcinvert.learning.faces import TrainingFaces, templates_of
from arcinvert.learning.options import LearningOptions
from arcinvert.learning.trainer import DecoderTrainer
from recognition.recogniser import Preprocessing, Recogniser
from recognition.source import Source

SIZE, DIM, COUNT = 16, 3, 40
CHANNELS = (4, 3)


def network() -> Recogniser:
    """Return two convolutions, of which the second has maps that count as features, and a linear layer."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.PReLU(4),
            nn.Conv2d(4, 5, 3, stride=4, padding=1),
            nn.Flatten(),
            nn.Linear(5 * (SIZE // 4) ** 2, DIM),
        )
    preprocessing = Preprocessing(input_size=SIZE)
    return Recogniser(
        layers, name="conv", preprocessing=preprocessing, source=Source(sha256="ef" * 32)
    ).freeze()


def faces(count: int = COUNT, kind: str = "public faces") -> TrainingFaces:
    """Return smooth random pictures."""
    generator = torch.Generator().manual_seed(1)
    small = torch.rand(count, 3, 4, 4, generator=generator)
    pictures = F.interpolate(small, SIZE, mode="bilinear")
    return TrainingFaces((pictures * 255).to(torch.uint8), kind)


def templates(count: int = COUNT) -> Tensor:
    return templates_of(network(), faces(count))


def options(**changes: object) -> LearningOptions:
    return LearningOptions(**{"epochs": 2, "batch_size": 8, **changes})  # type: ignore[arg-type]


def trainer(**changes: object) -> DecoderTrainer:
    """Return a training of faces at random."""
    return DecoderTrainer(network(), faces(), templates(), options(**changes), channels=CHANNELS)
