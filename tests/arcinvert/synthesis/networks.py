"""A network that is small and measured, so that a synthetic set of it takes a second."""

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from arcinvert import Attacker
from arcinvert.knowledge.calibrate import measure_synthetic
from arcinvert.knowledge.knowledge import load_knowledge
from arcinvert.synthesis.options import SynthesisOptions
from recognition.recogniser import Preprocessing, Recogniser

SIZE, DIM, CLASSES = 16, 12, 6


def small_recogniser(classes: int = CLASSES) -> Recogniser:
    """Return a random convolution with BatchNorm, PReLU and a linear layer, with random class centres."""
    generator = torch.Generator().manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, bias=False),
        nn.BatchNorm2d(6),
        nn.PReLU(6),
        nn.Flatten(),
        nn.Linear(6 * 7 * 7, DIM),
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    centres = F.normalize(torch.randn(CLASSES, DIM, generator=generator))[:classes]
    return Recogniser(
        network,
        name="small",
        preprocessing=Preprocessing(input_size=SIZE),
        centres=centres if classes else None,
    ).freeze()


def small_attacker(classes: int = CLASSES) -> Attacker:
    """Return an attacker of the small network, measured on a few synthetic faces."""
    recogniser = small_recogniser(classes)
    statistics = measure_synthetic(recogniser, 64)
    knowledge = replace(load_knowledge(recogniser), statistics=statistics)
    return Attacker(recogniser, knowledge=knowledge, device="cpu", precision="float32")


def options(**given: Any) -> SynthesisOptions:
    """Return options of a small set: 5 identities, 2 pictures of each, two identities in a batch."""
    chosen: dict[str, Any] = {
        "identities": 5,
        "per_identity": 2,
        "batch_size": 4,
        "steps": 2,
        "angle": 40.0,
        "known_angle": 35.0,
    }
    return SynthesisOptions(**(chosen | given))
