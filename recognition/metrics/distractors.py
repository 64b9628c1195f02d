"""Identification among distractors, as MegaFace measures it: the rank-one rate over the size of the gallery.

Each pair of images of one person is a probe and the only image of that person in a gallery of distractors,
images of other people. The probe is identified if no distractor is as similar to it. A gallery of N of the M
distractors is a random choice; the rate is the mean over all choices, which follows without drawing one: a
probe with k distractors at least as similar as its mate is identified in C(M - k, N) of the C(M, N) choices.

Source: Kemelmacher-Shlizerman et al., The MegaFace benchmark, CVPR 2016, section 4.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from recognition.errors import InputError
from recognition.metrics.finite import check_finite
from recognition.metrics.intervals import Estimate, estimate
from recognition.metrics.similarities import pair_similarities

Array = NDArray[np.floating[Any]]
#: Distractors that are compared at once.
BLOCK = 1 << 14
#: Largest difference of two ways to compute a similarity of unit vectors in float32.
_ROUNDING = np.float32(2e-6)
#: Similarities that are computed at once: 2**24 of float32 are 64 MiB.
_SIMILARITIES = 1 << 24


@dataclass(frozen=True)
class DistractorCurve:
    """The rank-one rate over the number of distractors.

    Args:
        sizes: Numbers of distractors, rising.
        rates: The rate at each, with its 95 % interval over the probes' people.
        pairs: Number of pairs of a probe and its mate.
        people: Number of people.
        distractors: Number of distractors that the rates are computed from.
    """

    sizes: tuple[int, ...]
    rates: tuple[Estimate, ...]
    pairs: int
    people: int
    distractors: int


def identify_among(
    probes: Array,
    labels: NDArray[np.integer],
    distractors: Iterable[Array],
    *,
    sizes: Sequence[int] | None = None,
) -> DistractorCurve:
    """Return the rank-one rate of every ordered pair of images of one person among distractors.

    Args:
        probes: Shape (images, dim), unit norm.
        labels: Shape (images,), identities.
        distractors: Blocks of shape (n, dim), unit norm, of other people; one block at a time is in memory.
        sizes: Numbers of distractors; None takes the powers of ten up to all of them, and all.

    Raises:
        InputError: If no identity has two images, there are fewer distractors than a size, or an embedding is
            not of finite numbers.
    """
    check_finite("embeddings", probes)
    probe, mate = _pairs(labels)
    if not len(probe):
        raise InputError("probes: expected people with two images or more, got none; use another set")
    # Equal faces must not win by the rounding of one of two ways of multiplying.
    own = pair_similarities(probes, np.stack([probe, mate], axis=1)) - _ROUNDING
    total = 0
    better = np.zeros(len(probe), dtype=np.int64)
    # The pairs of each probe follow each other: where they begin, and the lowest of their similarities.
    names, begins = np.unique(probe, return_index=True)
    ends = np.append(begins[1:], len(probe))
    lowest = np.minimum.reduceat(own, begins)
    order = np.concatenate([b + np.argsort(own[b:e]) for b, e in zip(begins, ends, strict=True)])
    rows = max(1, _SIMILARITIES // BLOCK)
    for block in distractors:
        check_finite("distractors", block)
        if block.ndim != 2 or block.shape[1] != probes.shape[1]:
            raise InputError(
                f"distractors: expected templates of shape (n, {probes.shape[1]}), got {block.shape}"
            )
        total += len(block)
        for first in range(0, len(names), rows):
            inside = slice(first, first + rows)
            for begin in range(0, len(block), BLOCK):
                products = probes[names[inside]] @ block[begin : begin + BLOCK].T
                _count(products, inside.start, lowest, own, order, begins, ends, better)
    if sizes is None:
        sizes = [10**power for power in range(1, 12) if 10**power < total] + [total]
    if not total or min(sizes) < 1 or max(sizes) > total:
        raise InputError(
            f"distractors: expected at least {max(sizes):,} of them and sizes from 1, got {total:,} and "
            f"{min(sizes):,}; use smaller sizes or more distractors"
        )
    people = labels[probe]
    rates = tuple(
        estimate(identified_share(better, total, size), people, pooled=True, shares=True) for size in sizes
    )
    return DistractorCurve(tuple(sizes), rates, len(probe), len(np.unique(people)), total)


def _count(
    products: Array,
    first: int,
    lowest: Array,
    own: Array,
    order: NDArray[np.int64],
    begins: NDArray[np.int64],
    ends: NDArray[np.int64],
    better: NDArray[np.int64],
) -> None:
    """Add to `better` how many distractors of a block are at least as similar as each pair's mate."""
    row, column = np.nonzero(products >= lowest[first : first + len(products), None])
    if not len(row):
        return
    starts = np.flatnonzero(np.diff(row, prepend=-1))
    for place, begin, end in zip(row[starts], starts, np.append(starts[1:], len(row)), strict=True):
        pairs = order[begins[first + place] : ends[first + place]]
        similar = np.sort(products[place, column[begin:end]])
        better[pairs] += len(similar) - np.searchsorted(similar, own[pairs], side="left")


def _pairs(labels: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the indices of both images of all ordered pairs of one identity, by the first one."""
    order = np.argsort(labels, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)
    first = [np.repeat(group, len(group) - 1) for group in groups]
    second = [np.concatenate([np.delete(group, place) for place in range(len(group))]) for group in groups]
    found = np.concatenate(first), np.concatenate(second)
    by_first = np.argsort(found[0], kind="stable")
    return found[0][by_first], found[1][by_first]


def identified_share(better: NDArray[np.integer], total: int, size: int) -> NDArray[np.float64]:
    """Return the share of all choices of `size` distractors in which none is better.

    Args:
        better: Shape (pairs,), how many of all distractors are.
        total: Number of all distractors.
        size: Number of those chosen, from 1 to `total`.
    """
    left = (total - better).astype(np.float64)
    possible = left >= size
    kept = np.where(possible, left, size)
    share = np.exp(
        gammaln(kept + 1) - gammaln(kept - size + 1) - gammaln(total + 1) + gammaln(total - size + 1)
    )
    # Exact where rounding of large logarithms would not be.
    return np.where(possible, np.where(better == 0, 1.0, np.minimum(share, 1.0)), 0.0)


def read_distractors(path: Path, dim: int) -> Iterator[Array]:
    """Yield blocks of unit-norm templates of a .npy file of shape (n, dim); pages that were read are
    released.

    Raises:
        InputError: If it is no such file, or a template is zero or not of finite numbers.
    """
    begin, count = 0, 1
    while begin < count:
        try:
            # Mapped anew for each block: what was read of a file that stays mapped would stay in memory.
            table = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise InputError(
                f"{path}: expected a .npy file of templates, got something else ({error})"
            ) from None
        if not isinstance(table, np.ndarray) or table.ndim != 2 or table.shape[1] != dim:
            raise InputError(
                f"{path}: expected templates of shape (n, {dim}), got {getattr(table, 'shape', None)}"
            )
        if table.dtype.kind not in "fiu":
            raise InputError(f"{path}: expected real numbers, got {table.dtype}")
        count = len(table)
        block = np.array(table[begin : begin + BLOCK], dtype=np.float32)
        del table
        lengths = np.linalg.norm(block, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or not lengths.all():
            raise InputError(f"{path}: expected finite templates other than zero, got another; leave it out")
        yield block / lengths
        begin += len(block)


def describe_distractors(curve: DistractorCurve) -> dict[str, Any]:
    """Return the curve as a JSON object."""
    return {
        "rank_1": {
            str(size): round(rate.value, 5) for size, rate in zip(curve.sizes, curve.rates, strict=True)
        },
        "rank_1_interval": {
            str(size): [round(rate.low, 5), round(rate.high, 5)]
            for size, rate in zip(curve.sizes, curve.rates, strict=True)
        },
        "chance": {str(size): round(1 / (size + 1), 9) for size in curve.sizes},
        "pairs": curve.pairs,
        "people": curve.people,
        "distractors": curve.distractors,
    }
