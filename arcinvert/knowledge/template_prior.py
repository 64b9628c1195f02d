"""What an adversary expects of a template before it sees any: a Gaussian fitted to those of other people."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

#: Folds of the cross-validation that chooses the shrinkage; twice as many faces are the fewest that are used.
_FOLDS = 5
#: The variance, over all dimensions, below which templates are copies of one face.
_LEAST_VARIANCE = 1e-9
#: The shares of the isotropic covariance that it chooses from.
_SHRINKAGE = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 0.85, 1.0)


@dataclass(frozen=True)
class TemplatePrior:
    """A Gaussian over templates.

    Args:
        mean: Shape (dim,).
        covariance: Shape (dim, dim), positive definite.
    """

    mean: Array
    covariance: Array


def fit_prior(public: Array, dim: int, centres: Array | None = None) -> TemplatePrior:
    """Return the Gaussian of public templates, and of class centres where they are known.

    With fewer than ten of both, or with copies of one, any direction is as likely as another.

    The mean is that of the public templates, shrunk towards that of the centres, or else towards zero, as far
    as its own error asks: centres vary as templates do, but have another mean. The covariance, which both
    share, is shrunk towards an isotropic one by the share under which rows that were left out are most
    likely, so that nothing is tuned on the templates that are attacked.

    Args:
        public: Shape (faces, dim), unit-norm templates of public faces; there may be none.
        dim: Dimensions of the templates.
        centres: Shape (classes, dim), unit-norm class centres of the network; None where it has none.

    Source: the mean, James and Stein, Fourth Berkeley Symposium 1, 1961 (positive part); the covariance,
        Friedman, Journal of the American Statistical Association 84(405), 1989, equation 18, with the
        cross-validated likelihood for its risk.
    """
    rows: Array = public.astype(np.float64)
    mean: Array = np.zeros(dim)
    if centres is not None and _varied(centres):
        mean, other = _shrunk_mean(centres.astype(np.float64), mean), centres - centres.mean(0)
        if _varied(rows):
            mean, rows = _shrunk_mean(rows, mean), np.concatenate([rows - rows.mean(0), other])
        else:
            rows = other
    elif len(rows) >= 2 * _FOLDS and _varied(rows):
        mean = _shrunk_mean(rows, mean)
    if len(rows) < 2 * _FOLDS or not _varied(rows):
        return TemplatePrior(np.zeros(dim), np.eye(dim) / dim)
    share = _SHRINKAGE[int(np.argmax(_held_out_likelihood(rows)))]
    return TemplatePrior(mean, _shrunk(np.cov(rows.T, ddof=1).reshape(dim, dim), share))


def _varied(rows: Array) -> bool:
    """Return whether rows, (n, dim), are not one row alone or copies of it."""
    return len(rows) > 1 and float(rows.var(0).sum()) >= _LEAST_VARIANCE


def _shrunk_mean(templates: Array, towards: Array) -> Array:
    """Return the mean of templates, (n, dim), shrunk by the positive-part James-Stein factor."""
    mean = templates.mean(0)
    error = ((templates - mean) ** 2).sum() / (len(templates) - 1) / len(templates)
    length = float((mean - towards) @ (mean - towards))
    return np.asarray(towards + (mean - towards) * max(0.0, 1 - error / length) if length > 0 else mean)


def _shrunk(covariance: Array, share: float) -> Array:
    dim = len(covariance)
    return (1 - share) * covariance + share * np.trace(covariance) / dim * np.eye(dim)


def _held_out_likelihood(public: Array) -> Array:
    """Return the log-likelihood of rows left out in turn, up to a constant, for each share."""
    total = np.zeros(len(_SHRINKAGE))
    fold = np.arange(len(public)) % _FOLDS
    for number in range(_FOLDS):
        kept, left_out = public[fold != number], public[fold == number]
        covariance = np.atleast_2d(np.cov(kept.T, ddof=1))
        values, vectors = np.linalg.eigh(covariance)
        squares = ((left_out - _shrunk_mean(kept, np.zeros(kept.shape[1]))) @ vectors) ** 2
        isotropic = np.trace(covariance) / len(covariance)
        for index, share in enumerate(_SHRINKAGE):
            variances = (1 - share) * np.maximum(values, 0) + share * isotropic
            # The kept ones may be copies of one face, which have no variance at all.
            variances = np.maximum(variances, _LEAST_VARIANCE / len(covariance))
            total[index] -= (len(left_out) * np.log(variances).sum() + (squares / variances).sum()) / 2
    return total
