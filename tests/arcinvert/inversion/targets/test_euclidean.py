"""Euclidean distance, by hand."""

import math

import pytest
import torch

from arcinvert.inversion.targets.euclidean import EuclideanTarget
from tests.arcinvert.inversion.targets.vectors import unit


def test_values() -> None:
    templates = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.6, 0.8]])
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.8, 0.6]])
    losses = EuclideanTarget(templates)(embeddings)
    # The first would be zero but for the term that keeps its gradient finite.
    assert losses.tolist() == pytest.approx([0.0, math.sqrt(2), 2.0, math.sqrt(0.08)], abs=2e-4)
    # On a sphere of radius 64 every distance is 64 times as long.
    wide = torch.linalg.vector_norm(64 * embeddings - 64 * templates, dim=1)
    torch.testing.assert_close(EuclideanTarget(templates, 64.0)(embeddings), wide, rtol=0, atol=64 * 2e-4)


def test_the_gradient_on_the_template_itself_is_finite() -> None:
    template = unit(1, 4, seed=8)
    embeddings = template.clone().requires_grad_()
    EuclideanTarget(template)(embeddings).sum().backward()
    assert embeddings.grad is not None
    assert torch.equal(embeddings.grad, torch.zeros_like(template))
