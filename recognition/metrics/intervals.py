"""Means, shares, differences and ratios over people, each with its 95 % interval.

Identities count, never comparisons: two comparisons of one person are not independent findings. Shares have
exact intervals (recognition/metrics/shares.py); means and ratios have a bootstrap of Student's statistic over
identities, which of the usual bootstraps covers best for few people and skewed values (Efron and Tibshirani,
An Introduction to the Bootstrap, 1993, section 12.5; Hesterberg, The American Statistician 69(4), 2015).
`python -m benchmarks.interval_coverage` prints how often each interval holds the truth.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from recognition.errors import InputError
from recognition.metrics.shares import CONFIDENCE, exact_interval, share_intervals, student_quantile

Array = NDArray[np.floating[Any]]
Identities = Sequence[int] | Sequence[str] | NDArray[np.generic]

#: Replicates of the bootstrap.
REPLICATES = 2000
#: Replicates drawn at once, so that ten thousand identities do not take gigabytes.
BLOCK = 256
#: Fewer identities than this have Student's own interval: too many of their replicates draw one person only.
_FEWEST_RESAMPLED = 6
#: The smallest standard error of a replicate, as a part of the sample's. Values of which nearly all are equal
#: have replicates in which all are, and these would make the interval endless.
_LEAST_ERROR = 0.2


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval and the counts that it rests on.

    Args:
        value: The figure.
        low: Lower end of the interval.
        high: Upper end of the interval.
        identities: How many people it is taken over. One person's mean has no interval: both ends are the
            value.
        comparisons: How many single values it is taken over.
    """

    value: float
    low: float
    high: float
    identities: int
    comparisons: int


def estimate(
    values: ArrayLike, identities: Identities, *, pooled: bool = False, shares: bool = False, seed: int = 0
) -> Estimate:
    """Return the mean of the identities' means with its interval.

    Args:
        values: Shape (comparisons,). Booleans make a share, whose interval is exact if each identity has one
            comparison.
        identities: Shape (comparisons,), the identity of each value.
        pooled: If true, every comparison counts alike rather than every identity: the mean is that of all
            values.
        shares: Whether numbers from 0 to 1 are shares, of trials that were averaged before; they have the
            interval of a share too, which does not shrink to nothing where all of them are 0 or 1.
        seed: Seed of the bootstrap; shares need none.

    Raises:
        InputError: If there are no values.
    """
    array = np.asarray(values)
    if not len(array):
        raise InputError("interval: expected at least one comparison, got none; give some")
    means = identity_means(array, identities)
    counts = np.unique(np.asarray(identities), return_counts=True)[1].astype(np.float64)
    weights = counts if pooled else np.ones(len(means))
    value = float(weights @ means / weights.sum())
    if shares or array.dtype == bool:
        lows, highs = share_intervals(means[:, None], counts, weights)
        low, high = float(lows[0]), float(highs[0])
    else:
        low, high = _ratio_interval(weights * means, weights, seed)
    return Estimate(value, low, high, len(means), len(array))


def estimate_ratio(numerators: ArrayLike, denominators: ArrayLike, *, seed: int = 0) -> Estimate:
    """Return the ratio of two sums over identities with its interval.

    Args:
        numerators: Shape (identities,).
        denominators: Shape (identities,); drawn together with the numerators. Their sum must not be 0.
        seed: Seed of the bootstrap.
    """
    above, below = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    low, high = _ratio_interval(above, below, seed)
    return Estimate(float(above.sum() / below.sum()), low, high, len(above), len(above))


def estimate_share_difference(after: ArrayLike, before: ArrayLike) -> Estimate:
    """Return by how much a share rises, paired by identity, with its interval.

    The shares of people who rise and of people who fall have exact intervals, which are combined by their
    squares (Newcombe, Statistics in Medicine 17, 1998, method 10; MOVER).

    Args:
        after: Shape (identities,), each identity's share, from 0 to 1.
        before: Shape (identities,), the same identities' share that it is compared with.
    """
    change = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    count = len(change)
    rise, fall = float(np.maximum(change, 0).mean()), float(np.maximum(-change, 0).mean())
    (rise_low, fall_low), (rise_high, fall_high) = exact_interval(np.array([rise, fall]) * count, count)
    odds = (1 - rise) * (1 - fall)
    # The more people rise, the fewer can fall.
    correlation = -math.sqrt(rise * fall / odds) if odds > 0 else 0.0
    low = _combined(rise - rise_low, fall_high - fall, correlation)
    high = _combined(rise_high - rise, fall - fall_low, correlation)
    return Estimate(rise - fall, rise - fall - low, rise - fall + high, count, count)


def estimate_ratio_difference(
    above: ArrayLike, below: ArrayLike, other_above: ArrayLike, other_below: ArrayLike, *, seed: int = 0
) -> Estimate:
    """Return the ratio of two sums less another ratio of the same identities, with its interval.

    Args:
        above: Shape (identities,), the first ratio's numerators.
        below: Shape (identities,), its denominators.
        other_above: Shape (identities,), the numerators of the ratio that is subtracted.
        other_below: Shape (identities,), its denominators.
        seed: Seed of the bootstrap.
    """
    ratios, influences = [], []
    for top, bottom in ((above, below), (other_above, other_below)):
        numerators, denominators = (np.asarray(part, dtype=np.float64) for part in (top, bottom))
        ratios.append(float(numerators.sum() / denominators.sum()))
        # How much each identity moves the ratio: its mean is 0.
        influences.append((numerators - ratios[-1] * denominators) / denominators.mean())
    value, count = ratios[0] - ratios[1], len(influences[0])
    low, high = _ratio_interval(influences[0] - influences[1], np.ones(count), seed)
    return Estimate(value, value + low, value + high, count, count)


def difference_of(after: Estimate, before: Estimate) -> Estimate:
    """Return the difference of two figures of different people with its interval (MOVER)."""
    value = after.value - before.value
    low = math.hypot(after.value - after.low, before.high - before.value)
    high = math.hypot(after.high - after.value, before.value - before.low)
    fewest = min(after.identities, before.identities)
    return Estimate(value, value - low, value + high, fewest, min(after.comparisons, before.comparisons))


def estimate_statistic(
    statistic: Callable[[NDArray[np.int64]], float], identities: int, *, seed: int = 0
) -> Estimate:
    """Return any statistic of identities with its interval, by a percentile bootstrap.

    Percentiles are too narrow for few identities, so they are moved outwards as far as Student's distribution
    and the lost degree of freedom ask (Hesterberg, section 4.3).

    Args:
        statistic: Takes the indices of the drawn identities, shape (identities,); returns a number.
        identities: How many identities there are.
        seed: Seed of the bootstrap.
    """
    everybody = np.arange(identities)
    value = float(statistic(everybody))
    if identities == 1:
        return Estimate(value, value, value, 1, 1)
    replicates = [
        statistic(np.repeat(everybody, weights.astype(np.int64)))
        for block in bootstrap_weights(identities, seed=seed)
        for weights in block
    ]
    quantile = student_quantile(0.5 + CONFIDENCE / 2, identities - 1)
    tail = float(ndtr(-math.sqrt(identities / (identities - 1)) * quantile))
    low, high = np.nanquantile(replicates, [tail, 1 - tail])
    return Estimate(value, float(low), float(high), identities, identities)


def identity_means(values: ArrayLike, identities: Identities) -> NDArray[np.float64]:
    """Return the mean of each identity's values, (identities, ...), in the order of the sorted identities."""
    _, inverse, counts = np.unique(np.asarray(identities), return_inverse=True, return_counts=True)
    array = np.asarray(values, dtype=np.float64)
    sums = np.zeros((len(counts), *array.shape[1:]))
    np.add.at(sums, inverse, array)
    return sums / counts.reshape(-1, *[1] * (array.ndim - 1))


def bootstrap_weights(identities: int, *, seed: int = 0) -> Iterator[NDArray[np.float64]]:
    """Yield how often each identity is drawn in each replicate, block by block, (block, identities)."""
    generator = np.random.default_rng(seed)
    for begin in range(0, REPLICATES, BLOCK):
        size = min(BLOCK, REPLICATES - begin)
        drawn = generator.integers(0, identities, (size, identities))
        flat = (drawn + np.arange(size)[:, None] * identities).ravel()
        yield np.bincount(flat, minlength=size * identities).reshape(size, identities).astype(np.float64)


def _ratio_interval(above: Array, below: Array, seed: int) -> tuple[float, float]:
    """Return both ends of the interval of the ratio of two sums over identities."""
    count = len(above)
    ratio = float(above.sum() / below.sum())
    if count == 1:
        return ratio, ratio
    error = float(_standard_errors(np.ones((1, count)), above, below)[0])
    if count < _FEWEST_RESAMPLED or error == 0:
        reach = student_quantile(0.5 + CONFIDENCE / 2, count - 1) * error
        return ratio - reach, ratio + reach
    statistics = []
    for weights in bootstrap_weights(count, seed=seed):
        errors = np.maximum(_standard_errors(weights, above, below), _LEAST_ERROR * error)
        statistics.append((weights @ above / (weights @ below) - ratio) / errors)
    tail = (1 - CONFIDENCE) / 2
    least, greatest = np.quantile(np.concatenate(statistics), [tail, 1 - tail])
    return float(ratio - greatest * error), float(ratio - least * error)


def _standard_errors(weights: Array, above: Array, below: Array) -> NDArray[np.float64]:
    """Return the standard error of the ratio in each replicate, (replicates,), by linearisation."""
    count, total = len(above), weights @ below
    ratios = weights @ above / total
    # The squares of above - ratio below, without an array of (replicates, identities).
    squares = weights @ above**2 - 2 * ratios * (weights @ (above * below)) + ratios**2 * (weights @ below**2)
    return np.asarray(np.sqrt(np.maximum(squares, 0) * count / (count - 1)) / np.abs(total))


def _combined(first: float, second: float, correlation: float) -> float:
    """Return how far a difference reaches to one side, by how far its correlated parts do."""
    return math.sqrt(max(0.0, first**2 + second**2 - 2 * correlation * first * second))
