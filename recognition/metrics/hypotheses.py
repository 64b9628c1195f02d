"""Tests of paired differences, corrected for how many are made at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtr


def paired_p_value(differences: ArrayLike) -> float:
    """Return the two-sided p-value of Student's paired test: that the mean difference is 0.

    Args:
        differences: Shape (identities,), one for each person. If all are equal, the value is 1 where they are
            0, and 0 elsewhere.
    """
    values = np.asarray(differences, dtype=np.float64)
    count, mean = len(values), float(values.mean())
    if count < 2:
        return 1.0
    error = float(values.std(ddof=1)) / np.sqrt(count)
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stdtr(count - 1, -abs(mean) / error))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for how many tests are made, in their order.

    If differences with a corrected value below 0.05 are reported, the chance that any of them is reported
    wrongly is at most 5 %, however the tests depend on each other.

    Args:
        p_values: Of all tests that are made, those without a finding too.

    Source: Holm, Scandinavian Journal of Statistics 6(2), 1979.
    """
    order = np.argsort(p_values, kind="stable")
    left = len(p_values) - np.arange(len(p_values))
    corrected = np.maximum.accumulate(np.asarray(p_values, dtype=np.float64)[order] * left)
    found = np.empty(len(p_values))
    found[order] = np.minimum(corrected, 1)
    return [float(value) for value in found]
