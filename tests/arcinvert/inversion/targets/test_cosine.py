"""Cosine distance, by hand."""

import pytest
import torch

from arcinvert.inversion.targets.cosine import CosineTarget


def test_values() -> None:
    templates = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.6, 0.8]])
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.8, 0.6]])
    losses = CosineTarget(templates)(embeddings)
    assert losses.tolist() == pytest.approx([0.0, 1.0, 2.0, 1 - 0.96], abs=1e-6)
