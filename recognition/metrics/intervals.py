"""Means, shares and rates over people, each with its 95 % interval.

Identities are drawn, never comparisons: two comparisons of one person are not independent findings. A
percentile bootstrap is too narrow for few identities, so its percentiles are moved outwards as far as
Student's distribution and the lost degree of freedom ask (Hesterberg, The American Statistician 69(4), 2015,
section 4.3).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recognition.errors import InputError
from recognition.metrics.finite import check_finite

Array = NDArray[np.floating]

#: Probability that an interval holds the true value.
CONFIDENCE = 0.95
#: Replicates of the bootstrap.
REPLICATES = 2000
#: Replicates drawn at once, so that ten thousand identities do not take gigabytes.
BLOCK = 256


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval and the counts that it rests on.

    Args:
        value: The figure.
        low: Lower end of the interval.
        high: Upper end of the interval.
        identities: How many people it is taken over.
        comparisons: How many single values it is taken over.
    """

    value: float
    low: float
    high: float
    identities: int
    comparisons: int


def estimate(
    values: ArrayLike,
    identities: Sequence[int] | Sequence[str] | NDArray[np.generic],
    *,
    pooled: bool = False,
    seed: int = 0,
) -> Estimate:
    """Return the mean of the identities' means with its interval.

    Where every value of a share is 0, or every value is 1, a bootstrap has no width; the interval then ends
    at the exact binomial bound.

    Args:
        values: Shape (comparisons,). Booleans make a share.
        identities: Shape (comparisons,), the identity of each value.
        pooled: If true, every comparison counts alike rather than every identity: the mean is that of all
            values, and identities are drawn with all their comparisons.
        seed: Seed of the bootstrap.

    Raises:
        InputError: If there are no values.
    """
    array = np.asarray(values)
    if not len(array):
        raise InputError("interval: expected at least one comparison, got none; give some")
    if pooled:
        _, inverse, counts = np.unique(np.asarray(identities), return_inverse=True, return_counts=True)
        sums = np.bincount(inverse, array.astype(np.float64)).astype(np.float64)
        weights = counts.astype(np.float64)
    else:
        sums = identity_means(array, identities)
        weights = np.ones(len(sums))
    lows, highs = _ratio_intervals(sums[:, None], weights, seed)
    low, high = float(lows[0]), float(highs[0])
    if array.dtype == bool:
        low, high = _exact_at_the_ends(array.mean(), len(sums), low, high)
    return Estimate(float(sums.sum() / weights.sum()), low, high, len(sums), len(array))


def estimate_ratio(numerators: ArrayLike, denominators: ArrayLike, *, seed: int = 0) -> Estimate:
    """Return the ratio of two sums over identities with its interval.

    Args:
        numerators: Shape (identities,).
        denominators: Shape (identities,); drawn together with the numerators.
        seed: Seed of the bootstrap.
    """
    above, below = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    lows, highs = _ratio_intervals(above[:, None], below, seed)
    return Estimate(float(above.sum() / below.sum()), float(lows[0]), float(highs[0]), len(above), len(above))


def estimate_statistic(
    statistic: Callable[[NDArray[np.int64]], float], identities: int, *, seed: int = 0
) -> Estimate:
    """Return any statistic of identities with its interval.

    Args:
        statistic: Takes the indices of the drawn identities, shape (identities,); returns a number.
        identities: How many identities there are.
        seed: Seed of the bootstrap.
    """
    everybody = np.arange(identities)
    replicates = [
        statistic(np.repeat(everybody, weights.astype(np.int64)))
        for block in bootstrap_weights(identities, seed=seed)
        for weights in block
    ]
    low, high = _percentiles(np.array(replicates), identities)
    return Estimate(float(statistic(everybody)), float(low), float(high), identities, identities)


def estimate_fmr(
    embeddings: Array, labels: NDArray[np.integer], threshold: float, *, seed: int = 0
) -> Estimate:
    """Return the realised false match rate (FMR) over all pairs of two people with its interval.

    A pair of two people counts as often as both were drawn together.

    Args:
        embeddings: Shape (images, dim), unit norm.
        labels: Shape (images,), the identity of each.
        threshold: Pairs with a greater cosine are accepted.
        seed: Seed of the bootstrap.

    Raises:
        InputError: If an embedding is not of finite numbers.
    """
    check_finite("embeddings", embeddings)
    names, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    order = np.argsort(place, kind="stable")
    place, sorted_embeddings = place[order], embeddings[order]
    firsts = np.flatnonzero(np.diff(place, prepend=-1))
    accepted = np.empty((len(names), len(names)))
    for person, first in enumerate(firsts):
        own = sorted_embeddings[first : first + counts[person]]
        accepted[person] = np.add.reduceat((own @ sorted_embeddings.T > threshold).sum(0), firsts)
    np.fill_diagonal(accepted, 0)
    comparisons = np.outer(counts, counts).astype(np.float64)
    np.fill_diagonal(comparisons, 0)
    blocks = []
    for weights in bootstrap_weights(len(names), seed=seed):
        # A person drawn twice brings no comparisons of two people with it.
        above = np.einsum("ri,ri->r", weights @ accepted, weights)
        below = np.einsum("ri,ri->r", weights @ comparisons, weights)
        # All draws of one replicate may be of one person; it has no pairs then.
        blocks.append(np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0))
    low, high = _percentiles(np.concatenate(blocks), len(names))
    pairs = int(comparisons.sum()) // 2
    return Estimate(
        float(accepted.sum() / max(comparisons.sum(), 1)), float(low), float(high), len(names), pairs
    )


def identity_means(
    values: ArrayLike, identities: Sequence[int] | Sequence[str] | NDArray[np.generic]
) -> NDArray[np.float64]:
    """Return the mean of each identity's values, (identities, ...), in the order of the sorted identities."""
    _, inverse, counts = np.unique(np.asarray(identities), return_inverse=True, return_counts=True)
    array = np.asarray(values, dtype=np.float64)
    sums = np.zeros((len(counts), *array.shape[1:]))
    np.add.at(sums, inverse, array)
    return sums / counts.reshape(-1, *[1] * (array.ndim - 1))


def share_intervals(means: Array, *, seed: int = 0) -> tuple[Array, Array]:
    """Return lower and upper ends, each (columns,), of the shares of several columns at once.

    Args:
        means: Shape (identities, columns), each identity's own share.
        seed: Seed of the bootstrap; identities are drawn once for all columns.
    """
    lows, highs = _ratio_intervals(means, np.ones(len(means)), seed)
    ends = [
        _exact_at_the_ends(float(share), len(means), float(low), float(high))
        for share, low, high in zip(means.mean(0), lows, highs, strict=True)
    ]
    return np.array([low for low, _ in ends]), np.array([high for _, high in ends])


def bootstrap_weights(identities: int, *, seed: int = 0) -> Iterator[NDArray[np.float64]]:
    """Yield how often each identity is drawn in each replicate, block by block, (block, identities)."""
    generator = np.random.default_rng(seed)
    for begin in range(0, REPLICATES, BLOCK):
        size = min(BLOCK, REPLICATES - begin)
        drawn = generator.integers(0, identities, (size, identities))
        flat = (drawn + np.arange(size)[:, None] * identities).ravel()
        yield np.bincount(flat, minlength=size * identities).reshape(size, identities).astype(np.float64)


def student_quantile(probability: float, freedom: int) -> float:
    """Return the quantile of Student's distribution, by bisection of its exact distribution function.

    Args:
        probability: From 0.5 to below 1.
        freedom: Degrees of freedom, from 1.

    Source: The finite sums of Abramowitz and Stegun, 26.7.3 and 26.7.4.
    """
    low, high = 0.0, 1e4
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if _student_cdf(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def _ratio_intervals(
    numerators: Array, denominators: Array, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both ends, each (columns,), of sums of (identities, columns) over sums of (identities,)."""
    count = len(numerators)
    if count == 1:
        alone = np.asarray(numerators[0] / denominators[0], dtype=np.float64)
        return alone, alone.copy()
    replicates = [
        weights @ numerators / (weights @ denominators)[:, None]
        for weights in bootstrap_weights(count, seed=seed)
    ]
    return _percentiles(np.concatenate(replicates), count)


def _percentiles(replicates: Array, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both ends of the expanded percentile interval of replicates over `count` identities."""
    if count == 1:
        return np.asarray(replicates.min(0)), np.asarray(replicates.max(0))
    quantile = student_quantile(1 - (1 - CONFIDENCE) / 2, count - 1)
    tail = NormalDist().cdf(-math.sqrt(count / (count - 1)) * quantile)
    low, high = np.nanquantile(replicates, [tail, 1 - tail], axis=0)
    return low, high


def _exact_at_the_ends(share: float, count: int, low: float, high: float) -> tuple[float, float]:
    """Replace an end by its exact binomial bound where nothing varies, so that a bootstrap has no width."""
    reach = 1 - ((1 - CONFIDENCE) / 2) ** (1 / count)
    if share == 0:
        return low, reach
    if share == 1:
        return 1 - reach, high
    return low, high


def _student_cdf(value: float, freedom: int) -> float:
    if freedom > 1000:
        # The sums grow long where Student's distribution is the normal one to four digits.
        return NormalDist().cdf(value * (1 - 1 / (4 * freedom)) / math.sqrt(1 + value**2 / (2 * freedom)))
    angle = math.atan(value / math.sqrt(freedom))
    cosine_square = math.cos(angle) ** 2
    term, total = 1.0, 0.0
    odd = freedom % 2
    for index in range((freedom - 1) // 2 if odd else freedom // 2):
        total += term
        step = 2 * index + (2 if odd else 1)
        term *= step / (step + 1) * cosine_square
    if odd:
        inside = 2 / math.pi * (angle + math.sin(angle) * math.cos(angle) * total)
    else:
        inside = math.sin(angle) * total
    return 0.5 + inside / 2
