"""Targets against naive recomputations, and their gradients."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from arcinvert.inversion.targets import ClassTarget, CosineTarget, EuclideanTarget
from arcinvert.knowledge.whitening import whitening_of

SCALE, MARGIN = 16.0, 0.5


def unit(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)


def naive_arcface(
    embeddings: NDArray[np.float64],
    centres: NDArray[np.float64],
    labels: list[int],
    scale: float,
    margin: float,
) -> list[float]:
    """Cross-entropy of ArcFace logits, angle by angle."""
    losses = []
    for embedding, label in zip(embeddings, labels, strict=True):
        cosines = [float(np.dot(embedding, centre)) for centre in centres]
        theta = math.acos(cosines[label])
        if theta + margin < math.pi:
            target = math.cos(theta + margin)
        else:
            target = cosines[label] - margin * math.sin(margin)
        logits = [scale * cosine for cosine in cosines]
        logits[label] = scale * target
        highest = max(logits)
        total = sum(math.exp(logit - highest) for logit in logits)
        losses.append(math.log(total) + highest - logits[label])
    return losses


def test_class_target_is_arcface_cross_entropy() -> None:
    centres, embeddings = unit(7, 5, seed=0), unit(6, 5, seed=1)
    labels = [0, 3, 6, 3, 1, 5]
    losses = ClassTarget(centres, torch.tensor(labels), scale=SCALE, margin=MARGIN)(embeddings)
    expected = naive_arcface(embeddings.numpy(), centres.numpy(), labels, SCALE, MARGIN)
    assert losses.tolist() == pytest.approx(expected, rel=1e-9)


def test_class_target_of_whitened_templates() -> None:
    centres, embeddings = unit(9, 5, seed=0), unit(3, 5, seed=1)
    whitening, labels = whitening_of(centres), [0, 3, 6]
    target = ClassTarget(centres, torch.tensor(labels), scale=SCALE, margin=MARGIN, whitening=whitening)
    whitened = [whitening(templates).numpy() for templates in (embeddings, centres)]
    expected = naive_arcface(whitened[0], whitened[1], labels, SCALE, MARGIN)
    assert target(embeddings).tolist() == pytest.approx(expected, rel=1e-9)
    # What an image is scored by stays the plain centre.
    assert torch.equal(target.templates, centres[labels])


def test_class_target_beyond_the_half_turn() -> None:
    centres = unit(4, 5, seed=2)
    # Nearly opposite to its centre: theta + margin is over pi.
    embeddings = F.normalize(-centres[:1] + 0.05 * unit(1, 5, seed=3), dim=-1)
    assert math.acos(float(embeddings[0] @ centres[0])) + MARGIN > math.pi
    losses = ClassTarget(centres, torch.tensor([0]), scale=SCALE, margin=MARGIN)(embeddings)
    expected = naive_arcface(embeddings.numpy(), centres.numpy(), [0], SCALE, MARGIN)
    assert losses.tolist() == pytest.approx(expected, rel=1e-9)


def test_class_target_without_margin_is_softmax() -> None:
    centres, embeddings = unit(4, 3, seed=4), unit(3, 3, seed=5)
    labels = torch.tensor([2, 0, 3])
    losses = ClassTarget(centres, labels, scale=8.0, margin=0.0)(embeddings)
    expected = F.cross_entropy(8.0 * embeddings @ centres.T, labels, reduction="none")
    torch.testing.assert_close(losses, expected)


def test_class_target_falls_towards_its_centre() -> None:
    centres = unit(5, 8, seed=6)
    labels = torch.tensor([2, 2, 2, 2])
    away = unit(1, 8, seed=7)
    weights = torch.tensor([0.0, 0.4, 0.8, 1.0], dtype=torch.float64)[:, None]
    embeddings = F.normalize(weights * centres[2] + (1 - weights) * away, dim=-1)
    losses = ClassTarget(centres, labels, scale=SCALE, margin=MARGIN)(embeddings)
    assert (losses.diff() < 0).all()


def test_cosine_target_values() -> None:
    templates = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.6, 0.8]])
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.8, 0.6]])
    losses = CosineTarget(templates)(embeddings)
    assert losses.tolist() == pytest.approx([0.0, 1.0, 2.0, 1 - 0.96], abs=1e-6)


def test_euclidean_target_values() -> None:
    templates = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.6, 0.8]])
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.8, 0.6]])
    losses = EuclideanTarget(templates)(embeddings)
    # The first would be zero but for the term that keeps its gradient finite.
    assert losses.tolist() == pytest.approx([0.0, math.sqrt(2), 2.0, math.sqrt(0.08)], abs=2e-4)
    # On a sphere of radius 64 everything is 64 times as far.
    wide = torch.linalg.vector_norm(64 * embeddings - 64 * templates, dim=1)
    torch.testing.assert_close(EuclideanTarget(templates, 64.0)(embeddings), wide, rtol=0, atol=64 * 2e-4)


def test_euclidean_target_has_a_finite_gradient_on_its_template() -> None:
    template = unit(1, 4, seed=8)
    embeddings = template.clone().requires_grad_()
    EuclideanTarget(template)(embeddings).sum().backward()
    assert embeddings.grad is not None
    assert torch.equal(embeddings.grad, torch.zeros_like(template))


@pytest.mark.parametrize("name", ["arcface", "cosine", "euclidean"])
def test_gradients(name: str) -> None:
    centres = unit(5, 4, seed=9)
    labels = torch.tensor([1, 4, 0])
    target = {
        "arcface": ClassTarget(centres, labels, scale=SCALE, margin=MARGIN),
        "cosine": CosineTarget(centres[labels]),
        "euclidean": EuclideanTarget(centres[labels]),
    }[name]
    raw = unit(3, 4, seed=10).requires_grad_()
    assert torch.autograd.gradcheck(lambda vectors: target(F.normalize(vectors)), (raw,))


@pytest.mark.parametrize("name", ["arcface", "cosine", "euclidean"])
def test_losses_are_per_image(name: str) -> None:
    centres, embeddings = unit(5, 4, seed=11), unit(3, 4, seed=12)
    labels = torch.tensor([1, 4, 0])

    def losses(rows: Tensor) -> Tensor:
        target = {
            "arcface": ClassTarget(centres, labels[rows], scale=SCALE, margin=MARGIN),
            "cosine": CosineTarget(centres[labels[rows]]),
            "euclidean": EuclideanTarget(centres[labels[rows]]),
        }[name]
        return target(embeddings[rows])

    together = losses(torch.tensor([0, 1, 2]))
    alone = torch.cat([losses(torch.tensor([row])) for row in range(3)])
    assert together.shape == (3,)
    torch.testing.assert_close(together, alone)


def test_templates_are_what_is_aimed_at() -> None:
    centres = unit(5, 4, seed=13)
    labels = torch.tensor([3, 0])
    assert torch.equal(ClassTarget(centres, labels, scale=1.0, margin=0.0).templates, centres[[3, 0]])
    assert torch.equal(CosineTarget(centres).templates, centres)
    assert torch.equal(EuclideanTarget(centres).templates, centres)
