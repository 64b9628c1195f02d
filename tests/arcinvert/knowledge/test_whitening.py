"""Whitening, against the covariance that it gives, and with too few templates for a covariance."""

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.knowledge.whitening import SHRINKAGE, whitening_of


def templates(count: int, dim: int) -> Tensor:
    """Return unit-norm templates that vary most along the first directions."""
    spread = torch.linspace(3, 0.3, dim, dtype=torch.float64)
    raw = torch.randn(count, dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return F.normalize(raw * spread + 0.5)


def test_whitened_templates_vary_alike_in_all_directions() -> None:
    given = templates(500, 6)
    whitening = whitening_of(given)
    centred = given - given.mean(0)
    torch.testing.assert_close(whitening.mean, given.mean(0))
    covariance = centred.T @ centred / len(given)
    shrunk = covariance + SHRINKAGE * covariance.trace() / 6 * torch.eye(6, dtype=torch.float64)
    # The matrix is the inverse square root of the shrunk covariance.
    identity = torch.eye(6, dtype=torch.float64)
    torch.testing.assert_close(whitening.matrix @ shrunk @ whitening.matrix, identity)
    torch.testing.assert_close(whitening.matrix, whitening.matrix.T)


def test_whitened_embeddings_have_unit_norm_and_keep_their_type() -> None:
    given = templates(50, 6).float()
    whitened = whitening_of(given)(given[:3])
    assert whitened.dtype == torch.float32
    torch.testing.assert_close(whitened.norm(dim=1), torch.ones(3))
    assert whitening_of(given).to(given.double()).matrix.dtype == torch.float64


def test_fewer_templates_than_dimensions_and_one_alone_stay_finite() -> None:
    for count in (1, 2, 5):
        given = templates(count, 8).float()
        unseen = templates(9, 8).float()[-1:]
        assert whitening_of(given)(unseen).isfinite().all()
        assert whitening_of(given)(given).isfinite().all()
