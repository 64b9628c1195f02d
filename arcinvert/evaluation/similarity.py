"""How embeddings are compared: higher for one person, whatever the recogniser."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

#: `euclidean` is 1 - distance; `cosine` is the inner product of unit-norm embeddings.
Metric = Literal["euclidean", "cosine"]


def similarity(first: Array, second: Array, metric: Metric = "euclidean") -> NDArray[np.float64]:
    """Return the similarity of embeddings along the last axis; the other axes broadcast.

    Args:
        first: Shape (..., dim).
        second: Shape (..., dim).
        metric: How the recogniser's embeddings are compared.
    """
    if metric == "cosine":
        return np.asarray((first.astype(np.float64) * second).sum(-1))
    return np.asarray(1 - np.linalg.norm(first.astype(np.float64) - second, axis=-1))


def similarity_matrix(first: Array, second: Array, metric: Metric) -> NDArray[np.float64]:
    """Return the similarity of every pair, (n, m).

    Args:
        first: Shape (n, dim).
        second: Shape (m, dim).
        metric: How the recogniser's embeddings are compared.
    """
    products = first.astype(np.float64) @ second.T.astype(np.float64)
    if metric == "cosine":
        return products
    squares = (first.astype(np.float64) ** 2).sum(1)[:, None] + (second.astype(np.float64) ** 2).sum(1)
    return np.asarray(1 - np.sqrt(np.maximum(squares - 2 * products, 0)))
