"""Keys of few bits: every key is tried, and the likeliest is taken.

The adversary draws templates from its Gaussian prior, protects them under a candidate key, and
fits a Gaussian to the records: under the right key the attacked record is a likely one of these. Nothing but
`protect` is needed of a defence. A search costs the number of keys times the cost of one, some milliseconds:
a key of 16 bits falls in minutes, one of 64 bits never.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.defences.base import Adversary, TemplateDefence
from arcinvert.evaluation.similarity import Array
from recognition.errors import InputError

#: Templates drawn from the prior.
_DRAWS = 1000
#: The share of an isotropic covariance in that of the draws' records, and the least variance of one number
#: relative to the mean.
_SHRINKAGE, _LEAST_VARIANCE = 0.02, 1e-6


def search_keys(
    defence: TemplateDefence,
    records: Array,
    candidates: Iterable[int],
    adversary: Adversary,
    *,
    groups: Sequence[int] | None = None,
) -> NDArray[np.int64]:
    """Return the likeliest key of each record, (n,), among candidates.

    Args:
        defence: What protected the records.
        records: Shape (n, k), as `protect` returns them.
        candidates: The keys to try, at least one.
        adversary: Whose prior of templates says what is likely; without any, all keys are alike.
        groups: Shape (n,), records of one group have one key: several records of a person, or all records of
            a system with one key for everybody. None gives every record a key of its own.

    Raises:
        InputError: If there are no candidates.
    """
    likely = adversary.likely(_DRAWS)
    number_of = np.arange(len(records)) if groups is None else np.unique(groups, return_inverse=True)[1]
    best = np.full(int(number_of.max(initial=-1)) + 1, -np.inf)
    found = np.zeros(len(best), dtype=np.int64)
    tried = 0
    for key in candidates:
        each = _log_likelihood(records, defence.protect(likely, [key] * _DRAWS))
        likelihood = np.bincount(number_of, each, minlength=len(best))
        better = likelihood > best
        best[better], found[better] = likelihood[better], key
        tried += 1
    if not tried:
        raise InputError("key search: expected at least one candidate key, got none; give some")
    return found[number_of]


def _log_likelihood(records: Array, others: Array) -> Array:
    """Return the log-likelihood of records, (n,), up to a constant, under a Gaussian fitted to others."""
    mean, size = others.mean(axis=0), others.shape[1]
    covariance = np.cov(others.T).reshape(size, size)
    isotropic = max(np.trace(covariance) / size, np.finfo(np.float64).tiny)
    covariance = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * isotropic * np.eye(size)
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, _LEAST_VARIANCE * isotropic)
    squares = np.square((records - mean) @ vectors)
    return np.asarray(-(np.log(values).sum() + (squares / values).sum(axis=1)) / 2)
