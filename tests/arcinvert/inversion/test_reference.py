"""Whole attacks of every recipe against a straightforward loop.

Why neither hashes nor images are stored: on one machine with one number of threads, an attack gives the
same bits in every run. Another number of threads sums in another order, and other processors have other
kernels. The first steps of Adam depend on little but the sign of the gradient, so that its last digit may
move a pixel by a whole step; with two threads in place of one, some pixels of the tiny network's images
differ by a third of their range. A stored result would fail where nothing is wrong. A loop in double
precision that shares no code with the engine is right on every machine, and agrees with the attack in all
but few pixels.
"""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcinvert import Attacker
from arcinvert.evaluation.scores import Reference
from arcinvert.inversion.initialisation.base import FACE_NOISE, FACE_NOISE_GRID
from arcinvert.plan import AttackPlan
from arcinvert.subjects import Subject
from recognition.images import resized
from recognition.recogniser import Preprocessing, Recogniser
from recognition.seeds import derive_seed
from tests.arcinvert.inversion.reference import reference

SIZE, DIM, CLASSES = 24, 6, 10
SAMPLES = 2


@pytest.fixture(scope="module")
def attacker() -> Attacker:
    """An attacker of a small network with two BatchNorm layers."""
    generator = torch.Generator().manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(3, 6, 3, bias=False),
        nn.BatchNorm2d(6),
        nn.PReLU(6),
        nn.Conv2d(6, 8, 3, stride=2, bias=False),
        nn.BatchNorm2d(8),
        nn.Flatten(),
        nn.Linear(8 * 10 * 10, DIM),
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
        for layer in (network[1], network[4]):
            layer.running_mean.copy_(torch.randn(layer.num_features, generator=generator) * 0.2)
            layer.running_var.copy_(torch.rand(layer.num_features, generator=generator) + 0.5)
    centres = torch.randn(CLASSES, DIM, generator=generator)
    preprocessing = Preprocessing(input_size=SIZE)
    recogniser = Recogniser(network, name="small", preprocessing=preprocessing, centres=centres, scale=16.0)
    return Attacker(recogniser, device="cpu", precision="float32")


def subjects_of(attacker: Attacker, target: str) -> list[Subject]:
    centres = attacker.recogniser.centres
    assert centres is not None
    if target == "class":
        return [Subject(f"class {label}", label, centres[label], Reference()) for label in (3, 7)]
    templates = F.normalize(torch.randn(2, DIM, generator=torch.Generator().manual_seed(8)))
    return [Subject(f"template {row}", None, templates[row], Reference()) for row in range(2)]


def targets_of(subjects: list[Subject], plan: AttackPlan) -> Tensor:
    """Return what the reference must reach: each subject once for every sample."""
    if plan.loss == "arcface":
        return torch.tensor([subject.label for subject in subjects]).repeat_interleave(SAMPLES)
    return torch.stack([subject.template for subject in subjects]).double().repeat_interleave(SAMPLES, 0)


def initial_images(attacker: Attacker, subjects: list[Subject], plan: AttackPlan) -> Tensor:
    """Return noise, or a mean face with a little noise, drawn for each subject and sample."""
    images = []
    for subject in subjects:
        for sample in range(SAMPLES):
            generator = torch.Generator().manual_seed(derive_seed(plan.seed, subject.name, sample))
            if plan.initialisation == "noise":
                images.append(0.5 + 0.5 * torch.randn(3, SIZE, SIZE, generator=generator))
            else:
                grid = torch.randn(1, FACE_NOISE_GRID, FACE_NOISE_GRID, generator=generator)
                noise = F.interpolate(grid[None], SIZE, mode="bicubic")[0]
                images.append(resized(attacker.knowledge.mean_face[None], SIZE)[0] + FACE_NOISE * noise)
    return torch.stack(images).clamp(0, 1)


@pytest.mark.usefixtures("_short_preparation")
@pytest.mark.parametrize("target", ["class", "template"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        # The mean face of three steps is nearly grey: the signs of its colours' differences are rounding.
        {"knowledge": "weights", "penalty": {"colour-tv": 0}},
        {"recipe": "paper"},
        {"recipe": "deepinversion"},
        {"loss": "cosine", "penalty": {"bn": 0.5, "tv": 0}, "scale": 0.0, "warm_up": 0.5},
    ],
    ids=lambda options: "-".join(f"{name}={value}" for name, value in options.items()) or "default",
)
def test_an_attack_is_the_straightforward_loop(
    options: dict[str, Any], target: Any, attacker: Attacker
) -> None:
    plan = attacker.plan(target, samples=SAMPLES, steps=6, restarts=1, seed=4, **options)
    subjects = subjects_of(attacker, target)
    inversion = attacker.reconstruct(subjects, plan)
    # The mean face from the weights has tests of its own.
    found = plan.initialisation == "mean-face-from-weights"
    start = inversion.start if found else initial_images(attacker, subjects, plan)
    if plan.parametrisation == "pixels" and not plan.low_resolution:
        torch.testing.assert_close(inversion.start, start)
    expected = reference(plan, attacker.recogniser, start, targets_of(subjects, plan))
    difference = (inversion.images - expected).abs()
    moved = (inversion.images - inversion.start).abs()
    assert float(moved.mean()) > 0.01
    assert float((difference > 1e-3).float().mean()) < 0.01
    assert float(difference.mean()) < 1e-3
