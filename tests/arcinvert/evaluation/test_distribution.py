"""Distances of sets of features against loops and scipy."""

import math

import numpy as np
import pytest
import scipy.linalg
from numpy.typing import NDArray

from arcinvert.evaluation.distribution import diversity, frechet_distance, kernel_distance


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(7)


def test_frechet_distance_with_a_matrix_root(generator: np.random.Generator) -> None:
    first, second = generator.normal(size=(50, 5)), generator.normal(1, 2, size=(60, 5))
    covariances = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    means = ((first.mean(0) - second.mean(0)) ** 2).sum()
    wanted = means + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(first, second) == pytest.approx(wanted)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-6)


def test_kernel_distance_by_loops(generator: np.random.Generator) -> None:
    first, second = generator.normal(size=(6, 3)), generator.normal(1, 1, size=(5, 3))

    def kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return float((a @ b / 3 + 1) ** 3)

    def within(rows: NDArray[np.float64]) -> float:
        values = [kernel(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j]
        return float(np.mean(values))

    between = np.mean([kernel(a, b) for a in first for b in second])
    assert kernel_distance(first, second) == pytest.approx(within(first) + within(second) - 2 * between)


def test_kernel_distance_is_unbiased(generator: np.random.Generator) -> None:
    draws = [
        kernel_distance(generator.normal(size=(10, 4)), generator.normal(size=(12, 4))) for _ in range(300)
    ]
    assert abs(np.mean(draws)) < 3 * np.std(draws) / math.sqrt(len(draws))


def test_diversity() -> None:
    assert diversity(np.eye(3), "cosine") == pytest.approx(1.0)
    assert diversity(np.tile([[1.0, 0.0]], (4, 1)), "cosine") == pytest.approx(0.0)
