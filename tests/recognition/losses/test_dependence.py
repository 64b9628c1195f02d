"""The dependence term by naive loops."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from recognition.losses import build_auxiliary_loss
from recognition.losses.dependence import dependence

LABELS = torch.tensor([0, 1, 0, 2, 1, 2])


def naive_hsic(first: list[list[float]], second: list[list[float]]) -> float:
    """tr(K H L H), with the centring matrix H written out."""
    count = len(first)
    centring = [[(i == j) - 1 / count for j in range(count)] for i in range(count)]

    def times(a: list[list[float]], b: list[list[float]]) -> list[list[float]]:
        return [[sum(a[i][k] * b[k][j] for k in range(count)) for j in range(count)] for i in range(count)]

    product = times(times(first, centring), times(second, centring))
    return sum(product[i][i] for i in range(count))


def test_dependence_by_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(6, 4, dtype=torch.float64, generator=generator)
    images = torch.rand(6, 3, 2, 2, dtype=torch.float64, generator=generator)
    unit, pixels = normalize(embeddings), images.flatten(1)
    between = [[float((a - b).square().sum()) for b in pixels] for a in pixels]
    median = sorted(value for i, row in enumerate(between) for j, value in enumerate(row) if i != j)[14]
    kernels = {
        "embeddings": [[math.exp(-float((a - b).square().sum())) for b in unit] for a in unit],
        "images": [[math.exp(-value / (2 * median)) for value in row] for row in between],
        "labels": [[float(a == b) for b in LABELS.tolist()] for a in LABELS.tolist()],
    }

    def share(name: str) -> float:
        mine, other = kernels["embeddings"], kernels[name]
        return naive_hsic(mine, other) / math.sqrt(naive_hsic(mine, mine) * naive_hsic(other, other))

    loss = build_auxiliary_loss("dependence:inputs=0.5,labels=2", 4, 3)
    found = loss(embeddings, LABELS, torch.zeros(3, 4), images)
    assert float(found) == pytest.approx(0.5 * share("images") - 2 * share("labels"), abs=1e-6)
    assert float(loss(embeddings, LABELS, torch.zeros(3, 4))) == pytest.approx(-2 * share("labels"), abs=1e-6)


def test_dependence_of_a_kernel_on_itself_is_one_and_on_noise_is_small() -> None:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(200, 2, generator=generator)
    kernel = (-torch.cdist(points, points).square()).exp()
    other = (-torch.cdist(*[torch.randn(200, 2, generator=generator)] * 2).square()).exp()
    assert float(dependence(kernel, kernel)) == pytest.approx(1, abs=1e-5)
    assert 0 <= float(dependence(kernel, other)) < 0.1


def test_one_identity_alone_gives_a_finite_loss() -> None:
    loss = build_auxiliary_loss("dependence", 4, 3)
    embeddings = torch.randn(3, 4, requires_grad=True)
    value = loss(embeddings, torch.zeros(3, dtype=torch.long), torch.zeros(3, 4), torch.zeros(3, 3, 2, 2))
    value.backward()
    assert value.isfinite()
    assert embeddings.grad is not None
    assert embeddings.grad.isfinite().all()


def test_one_face_depends_on_nothing() -> None:
    """A part of a step may have one face with a label."""
    loss = build_auxiliary_loss("dependence", 4, 3)
    embedding = torch.ones(1, 4, requires_grad=True)
    value = loss(embedding, torch.tensor([1]), torch.eye(3, 4), torch.rand(1, 3, 4, 4))
    value.backward()
    assert value == 0
    assert embedding.grad is not None
    assert embedding.grad.tolist() == [[0, 0, 0, 0]]
