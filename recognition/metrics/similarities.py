"""Similarities of all pairs of two identities, block by block, for more images than all pairs fit in memory.

The pairs of n images are n (n - 1) / 2: those of 10,000 images have 200 MB, those of 100,000 have 20 GB. A
histogram of them has a few megabytes. It gives the exact rate at each of its edges, and a second pass, which
keeps only the similarities of one bin, the exact similarity of any rank.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
#: Bins of the histogram from -1 to 1. A power of two, so that the edges are exact; each bin is as wide as 32
#: steps of float32 at a similarity of 0.5.
BINS = 1 << 20
#: Similarities that are computed at once, 256 MB with what is made of them.
_BLOCK = 1 << 23
#: Pairs whose embeddings are multiplied at once.
_PAIRS = 1 << 12


def pair_similarities(embeddings: Array, indices: NDArray[np.integer[Any]]) -> Array:
    """Return the similarities of pairs of images, shape (pairs,).

    Args:
        embeddings: Shape (images, dim), unit norm.
        indices: Shape (pairs, 2), indices of the images.
    """
    found = np.empty(len(indices), embeddings.dtype)
    for begin in range(0, len(indices), _PAIRS):
        first, second = indices[begin : begin + _PAIRS].T
        found[begin : begin + _PAIRS] = (embeddings[first] * embeddings[second]).sum(1)
    return found


def count_nonmated(labels: NDArray[np.integer[Any]]) -> int:
    """Return the number of pairs of images of two identities.

    Args:
        labels: Shape (images,), identities.
    """
    sizes = np.unique(labels, return_counts=True)[1].astype(object)
    # Python's integers do not overflow.
    return int(len(labels) ** 2 - (sizes**2).sum()) // 2 if len(labels) else 0


def nonmated_similarities(embeddings: Array, labels: NDArray[np.integer[Any]]) -> Array:
    """Return the similarities of all pairs of images of two identities, shape (pairs,).

    Args:
        embeddings: Shape (images, dim), unit norm.
        labels: Shape (images,), identities.
    """
    products = embeddings @ embeddings.T
    found = np.empty(count_nonmated(labels), products.dtype)
    at = 0
    for row in range(len(labels)):
        chosen = products[row, row + 1 :][labels[row + 1 :] != labels[row]]
        found[at : at + len(chosen)] = chosen
        at += len(chosen)
    return found


@dataclass(frozen=True)
class RankedSimilarity:
    """A similarity, found by its rank.

    Args:
        value: The similarity.
        above: How many similarities are greater.
    """

    value: float
    above: int


class NonmatedHistogram:
    """The distribution of the similarities of all pairs of images of two identities.

    Args:
        embeddings: Shape (images, dim), unit norm.
        labels: Shape (images,), identities.
        block: Most similarities that are computed at once.
    """

    def __init__(self, embeddings: Array, labels: NDArray[np.integer[Any]], *, block: int = _BLOCK) -> None:
        # With the images of each identity in a row, those of all others are one slice.
        order = np.argsort(labels, kind="stable")
        self._embeddings, self._block = embeddings[order], block
        _, place, sizes = np.unique(labels[order], return_inverse=True, return_counts=True)
        #: Where the next identity begins, for each image.
        self._ends = np.cumsum(sizes)[place]
        #: Shape (BINS,), the number of similarities in each bin.
        self.counts = np.zeros(BINS, dtype=np.int64)
        for similarities in self._blocks():
            self.counts += np.bincount(_bins(similarities), minlength=BINS)
        self.pairs = int(self.counts.sum())

    def rank(self, above: int) -> RankedSimilarity:
        """Return the greatest similarity that at most `above` others exceed by rank.

        It is what stands at index `above` of all similarities, the greatest first.

        Args:
            above: Shape (), from 0 to one less than the number of pairs.
        """
        # How many are in the bins from each one upwards.
        upwards = np.cumsum(self.counts[::-1])
        place = int(np.searchsorted(upwards, above, side="right"))
        chosen, higher = BINS - 1 - place, int(upwards[place] - self.counts[BINS - 1 - place])
        values: dict[float, int] = {}
        for similarities in self._blocks():
            inside, counts = np.unique(similarities[_bins(similarities) == chosen], return_counts=True)
            for value, count in zip(inside.tolist(), counts.tolist(), strict=True):
                values[value] = values.get(value, 0) + count
        for value in sorted(values, reverse=True):
            if higher + values[value] > above:
                return RankedSimilarity(value, higher)
            higher += values[value]
        raise ValueError(f"expected fewer than {self.pairs} similarities above, got {above}")

    def thresholds(self) -> NDArray[np.float64]:
        """Return a threshold just below the lower edge of each bin, and below all, shape (BINS + 1,), rising.

        A similarity is above a threshold exactly if it is in one of the bins above it.
        """
        edges = np.arange(BINS + 1) * (2 / BINS) - 1
        # The first bin has also what rounding made less than -1, and the last what it made more than 1.
        edges[0], edges[-1] = -2, 2
        return np.nextafter(edges, -np.inf)

    def far(self) -> NDArray[np.float64]:
        """Return the share of the similarities above each of `thresholds`, shape (BINS + 1,)."""
        above = np.append(np.cumsum(self.counts[::-1])[::-1], 0)
        return above / self.pairs

    def _blocks(self) -> Iterator[Array]:
        """Yield the similarities of all pairs, in one dimension."""
        images = len(self._ends)
        row = 0
        while row < images:
            # Only what comes after the first row's identity can be another's.
            first = int(self._ends[row])
            width = images - first
            if not width:
                return
            last = min(images, row + max(1, self._block // width))
            products = self._embeddings[row:last] @ self._embeddings[first:].T
            own = self._ends[row:last] - first
            if not own.any():
                yield products.ravel()
            else:
                yield products[np.arange(width) >= own[:, None]]
            row = last


def _bins(similarities: Array) -> NDArray[np.intp]:
    """Return the bin of each similarity; in double precision this is exact."""
    scaled = np.add(similarities, 1.0, dtype=np.float64)
    scaled *= BINS / 2
    return np.clip(scaled, 0, BINS - 1, out=scaled).astype(np.intp)
