"""Intervals of shares: exact for one sample of each identity, by the design effect for several.

Clopper and Pearson's interval holds the true share at least as often as it promises, for every number of
identities and every share; a bootstrap does not (of 16 of 16 it makes [1, 1]). Samples of one person are not
independent, so several samples count as fewer: their number is divided by the design effect, as Korn and
Graubard do for surveys (Survey Methodology 24(2), 1998). The estimate of the design effect is unreliable
where few people differ, so it is drawn towards the worst case, in which all samples of a person agree and
there are as many independent ones as people. `python -m benchmarks.interval_coverage` prints how often these
intervals hold the truth.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtri, stdtrit

Array = NDArray[np.floating[Any]]

#: Probability that an interval holds the true value.
CONFIDENCE = 0.95
#: How much the worst case counts in the estimate of the design effect, in units of the variance of one person
#: who is accepted or not. With 1, 2 and 4 the simulated coverage is at least 94 %; this is the middle one.
_WORST_CASE_WEIGHT = 2.0


def exact_interval(accepted: ArrayLike, trials: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both ends of Clopper and Pearson's 95 % interval; the arguments broadcast.

    Args:
        accepted: From 0 to `trials`; need not be whole.
        trials: Above 0; need not be whole.

    Source: Clopper and Pearson, Biometrika 26(4), 1934, as quantiles of the beta distribution.
    """
    hits, count = np.asarray(accepted, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    tail = (1 - CONFIDENCE) / 2
    misses = count - hits
    # A beta distribution with a parameter of 0 is the point 0, or the point 1. Sums of thirds miss whole
    # numbers by rounding errors.
    none, every = hits <= 1e-9 * count, misses <= 1e-9 * count
    low = np.where(none, 0.0, betaincinv(np.where(none, 1.0, hits), np.maximum(misses, 0) + 1, tail))
    high = np.where(every, 1.0, betaincinv(np.maximum(hits, 0) + 1, np.where(every, 1.0, misses), 1 - tail))
    return np.asarray(low, np.float64), np.asarray(high, np.float64)


def share_intervals(
    shares: Array, samples: Array, weights: Array | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both ends, each (columns,), of the 95 % intervals of shares over identities.

    Args:
        shares: Shape (identities, columns), each identity's own share.
        samples: Shape (identities,), how many samples it is taken over.
        weights: Shape (identities,), how much each identity counts; None counts all alike.
    """
    weights = np.ones(len(shares)) if weights is None else weights
    total = weights.sum()
    means = weights @ shares / total
    # The numbers of samples that would be as certain: if all samples of a person agree, and if each is
    # independent of the others.
    fewest = total**2 / (weights**2).sum()
    most = total**2 / (weights**2 / samples).sum()
    count = len(shares)
    if count == 1 or most <= fewest * (1 + 1e-12):
        return exact_interval(means * fewest, fewest)
    worst = means * (1 - means) * (weights**2).sum()
    found = count / (count - 1) * (weights**2 @ (shares - means) ** 2)
    information = fewest * means * (1 - means)
    # The information times the ratio of the variance found to the worst one.
    explained = np.divide(information * found, worst, out=np.zeros_like(worst), where=worst > 0)
    ratio = (explained + _WORST_CASE_WEIGHT) / (information + _WORST_CASE_WEIGHT)
    shrink = (ndtri(0.5 + CONFIDENCE / 2) / student_quantile(0.5 + CONFIDENCE / 2, count - 1)) ** 2
    effective = np.clip(fewest / ratio * shrink, fewest, most)
    return exact_interval(means * effective, effective)


def people_needed(share: float, limit: float) -> int | None:
    """Return the fewest people, one sample each, of whom this share has an interval that ends at the limit.

    None if no number of them does, because the share is not below the limit.
    """
    if share >= limit:
        return None
    few, many = 0, 1
    while float(exact_interval(share * many, many)[1]) > limit:
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        within = float(exact_interval(share * middle, middle)[1]) <= limit
        few, many = (few, middle) if within else (middle, many)
    return many


def equivalent_people(share: float, high: float) -> float:
    """Return of how many people, one sample each, a share has an interval that ends at `high`.

    Args:
        share: From 0 to below `high`.
        high: The interval's upper end, below 1.
    """
    low_log, high_log = -3.0, 12.0
    for _ in range(100):
        middle = (low_log + high_log) / 2
        count = 10**middle
        above = float(exact_interval(share * count, count)[1]) > high
        low_log, high_log = (middle, high_log) if above else (low_log, middle)
    return math.pow(10, high_log)


def student_quantile(probability: float, freedom: int) -> float:
    """Return a quantile of Student's distribution."""
    return float(stdtrit(freedom, probability))
