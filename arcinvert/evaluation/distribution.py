"""Sets of images compared as distributions of features: how far apart, and how diverse."""

import numpy as np

from arcinvert.evaluation.similarity import Array, Metric, similarity_matrix

#: Rows of a kernel matrix that are computed at once, which keeps memory flat.
_BLOCK = 256


def frechet_distance(first: Array, second: Array) -> float:
    """Return the Fréchet distance of Gaussians fitted to two sets of features; biased upwards for few.

    Args:
        first: Shape (n, dim).
        second: Shape (m, dim).

    Source: Heusel et al., arXiv:1706.08500.
    """
    first, second = first.astype(np.float64), second.astype(np.float64)
    covariances = [np.atleast_2d(np.cov(features, rowvar=False)) for features in (first, second)]
    # The trace of the root of a product is the sum of the roots of its eigenvalues, taken from a
    # symmetric product with the same eigenvalues.
    values, vectors = np.linalg.eigh(covariances[0])
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariances[1] @ root), 0)).sum()
    means = ((first.mean(0) - second.mean(0)) ** 2).sum()
    return float(means + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * shared)


def kernel_distance(first: Array, second: Array) -> float:
    """Return the unbiased squared maximum mean discrepancy with the kernel (x.y / dim + 1)^3.

    The estimate may be below 0.

    Args:
        first: Shape (n, dim).
        second: Shape (m, dim).

    Source: Binkowski et al., arXiv:1801.01401.
    """
    return _kernel_mean(first, first) + _kernel_mean(second, second) - 2 * _kernel_mean(first, second)


def _kernel_mean(first: Array, second: Array) -> float:
    total, same = 0.0, first is second
    for begin in range(0, len(first), _BLOCK):
        block = first[begin : begin + _BLOCK].astype(np.float64)
        total += float(((block @ second.T / first.shape[1] + 1) ** 3).sum())
    if not same:
        return total / (len(first) * len(second))
    diagonal = float((((first.astype(np.float64) ** 2).sum(1) / first.shape[1] + 1) ** 3).sum())
    return (total - diagonal) / (len(first) * (len(first) - 1))


def diversity(embeddings: Array, metric: Metric) -> float:
    """Return the mean dissimilarity, 1 - similarity, of all pairs of embeddings (n, dim); 0 for copies."""
    similarities = similarity_matrix(embeddings, embeddings, metric)
    return float(1 - similarities[np.triu_indices(len(embeddings), 1)].mean())
