"""Similarities of all pairs of two identities, block by block, for more images than all pairs fit in memory.

The pairs of n images are n (n - 1) / 2: those of 10,000 images have 200 MB, those of 100,000 have 20 GB. A
histogram of them has a few megabytes. It gives the exact rate at each of its edges, and a second pass, which
keeps only the similarities of some bins, the exact similarities of any ranks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]
#: Bins of the histogram from -1 to 1. A power of two, so that the edges are exact; each bin is as wide as 32
#: steps of float32 at a similarity of 0.5.
BINS = 1 << 20
#: Similarities that are computed at once, 96 MB with their bins.
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
        block: Most similarities that are computed at once; a row of them always is.
    """

    def __init__(self, embeddings: Array, labels: NDArray[np.integer[Any]], *, block: int = _BLOCK) -> None:
        # With the images of each identity in a row, those of all others are one slice.
        order = np.argsort(labels, kind="stable")
        self._embeddings, self._block = embeddings[order], block
        _, place, sizes = np.unique(labels[order], return_inverse=True, return_counts=True)
        #: Where the next identity begins, for each image.
        self._ends = np.cumsum(sizes)[place]
        #: Shape (BINS,), the number of similarities in each bin.
        self.counts = self._count()
        self.pairs = int(self.counts.sum())

    def ranks(self, above: Sequence[int]) -> list[RankedSimilarity]:
        """Return the similarities at the given indices of all of them, the greatest first.

        Args:
            above: Indices from 0 to one less than the number of pairs.

        Raises:
            ValueError: If an index is out of this range.
        """
        if not all(0 <= index < self.pairs for index in above):
            raise ValueError(f"expected indices from 0 to {self.pairs - 1}, got {above}")
        if not above:
            return []
        # How many are in the bins from each one upwards.
        upwards = np.cumsum(self.counts[::-1])
        places = np.searchsorted(upwards, above, side="right")
        chosen = (BINS - 1 - places).tolist()
        found = self._values_in(set(chosen))
        ranked = []
        for index, place, bin_number in zip(above, places.tolist(), chosen, strict=True):
            values, counts = found[bin_number]
            higher = int(upwards[place] - self.counts[bin_number])
            after = higher + np.cumsum(counts[::-1])
            at = int(np.searchsorted(after, index, side="right"))
            ranked.append(RankedSimilarity(float(values[::-1][at]), int(after[at] - counts[::-1][at])))
        return ranked

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

    def _count(self) -> NDArray[np.int64]:
        """Return the number of similarities in each bin."""
        counts = np.zeros(BINS, dtype=np.int64)
        scaled = np.empty(len(self._ends))
        bins = np.empty(max(self._block, len(self._ends)), dtype=np.intp)
        filled = 0
        for row in self._rows():
            if filled + len(row) > len(bins):
                counts += np.bincount(bins[:filled], minlength=BINS)
                filled = 0
            # A row at a time stays in the processor's cache. In double precision, a bin is exact.
            part = np.add(row, 1.0, out=scaled[: len(row)], dtype=np.float64)
            part *= BINS / 2
            bins[filled : filled + len(row)] = np.clip(part, 0, BINS - 1, out=part)
            filled += len(row)
        return counts + np.bincount(bins[:filled], minlength=BINS)

    def _values_in(self, bins: set[int]) -> dict[int, tuple[Array, NDArray[np.int64]]]:
        """Return the similarities in some bins, rising and each once, and how often each occurs."""
        edges = np.nextafter(self.thresholds(), np.inf)
        parts: dict[int, list[Array]] = {number: [] for number in bins}
        sizes = dict.fromkeys(bins, 0)
        found: dict[int, tuple[Array, NDArray[np.int64]]] = {
            number: (np.empty(0), np.empty(0, np.int64)) for number in bins
        }
        lowest = edges[min(bins)]
        for row in self._rows():
            high = row[row >= lowest]
            for number in bins:
                part = high[(high >= edges[number]) & (high < edges[number + 1])]
                parts[number].append(part)
                sizes[number] += len(part)
                if sizes[number] > self._block:
                    found[number] = _merge(found[number], parts[number])
                    parts[number], sizes[number] = [], 0
        return {number: _merge(found[number], parts[number]) for number in bins}

    def _rows(self) -> Iterator[Array]:
        """Yield for each image its similarities to the images of all identities after its own."""
        images = len(self._ends)
        begin = 0
        while begin < images:
            # Only what comes after the first row's identity can be another's.
            first = int(self._ends[begin])
            width = images - first
            if not width:
                return
            end = min(images, begin + max(1, self._block // width))
            products = self._embeddings[begin:end] @ self._embeddings[first:].T
            for row, own in zip(products, (self._ends[begin:end] - first).tolist(), strict=True):
                yield row[own:]
            begin = end


def _merge(counted: tuple[Array, NDArray[np.int64]], parts: list[Array]) -> tuple[Array, NDArray[np.int64]]:
    """Return values, rising and each once, with how often each occurs, of counted and of further ones."""
    values, counts = np.unique(np.concatenate([np.empty(0), *parts]), return_counts=True)
    both, place = np.unique(np.concatenate([counted[0], values]), return_inverse=True)
    return both, np.bincount(place, np.concatenate([counted[1], counts]), len(both)).astype(np.int64)
