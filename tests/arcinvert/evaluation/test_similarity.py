"""Similarities against single pairs."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from arcinvert.evaluation.similarity import Metric, similarity, similarity_matrix


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(7)


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_similarities_are_those_of_single_pairs(metric: Metric, generator: np.random.Generator) -> None:
    first, second = unit(generator.normal(size=(5, 8))), unit(generator.normal(size=(3, 8)))
    matrix = similarity_matrix(first, second, metric)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            naive = (
                1 - math.dist(a, b)
                if metric == "euclidean"
                else sum(x * y for x, y in zip(a, b, strict=True))
            )
            assert matrix[i, j] == pytest.approx(naive)
            assert similarity(a, b, metric) == pytest.approx(naive)


def test_equal_embeddings_are_as_similar_as_can_be(generator: np.random.Generator) -> None:
    one = generator.normal(size=(4, 128))
    assert np.diag(similarity_matrix(one, one, "euclidean")) == pytest.approx(np.ones(4), abs=1e-6)
