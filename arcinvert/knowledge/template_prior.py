"""What an adversary expects of a template before it sees any: a Gaussian fitted to public faces."""

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


def fit_prior(public: Array, dim: int) -> TemplatePrior:
    """Return the Gaussian of public templates.

    With fewer than ten, or with copies of one, any direction is as likely as another.

    The mean is shrunk towards zero as far as its own error asks. The covariance is shrunk towards an
    isotropic one by the share under which templates that were left out are most likely, so that nothing is
    tuned on the templates that are attacked.

    Args:
        public: Shape (faces, dim), unit-norm templates of public faces; there may be none.
        dim: Dimensions of the templates.

    Source: the mean, James and Stein, Fourth Berkeley Symposium 1, 1961 (positive part); the covariance,
        Friedman, Journal of the American Statistical Association 84(405), 1989, equation 18, with the
        cross-validated likelihood for its risk.
    """
    public = public.astype(np.float64)
    if len(public) < 2 * _FOLDS or public.var(0).sum() < _LEAST_VARIANCE:
        return TemplatePrior(np.zeros(dim), np.eye(dim) / dim)
    share = _SHRINKAGE[int(np.argmax(_held_out_likelihood(public)))]
    return TemplatePrior(_shrunk_mean(public), _shrunk(np.cov(public.T, ddof=1).reshape(dim, dim), share))


def _shrunk_mean(templates: Array) -> Array:
    """Return the mean times the positive-part James-Stein factor."""
    mean = templates.mean(0)
    error = ((templates - mean) ** 2).sum() / (len(templates) - 1) / len(templates)
    length = float(mean @ mean)
    return np.asarray(mean * max(0.0, 1 - error / length) if length > 0 else mean)


def _shrunk(covariance: Array, share: float) -> Array:
    dim = len(covariance)
    return (1 - share) * covariance + share * np.trace(covariance) / dim * np.eye(dim)


def _held_out_likelihood(public: Array) -> Array:
    """Return the log-likelihood of templates left out in turn, up to a constant, for each share."""
    total = np.zeros(len(_SHRINKAGE))
    fold = np.arange(len(public)) % _FOLDS
    for number in range(_FOLDS):
        kept, left_out = public[fold != number], public[fold == number]
        covariance = np.atleast_2d(np.cov(kept.T, ddof=1))
        values, vectors = np.linalg.eigh(covariance)
        squares = ((left_out - _shrunk_mean(kept)) @ vectors) ** 2
        isotropic = np.trace(covariance) / len(covariance)
        for index, share in enumerate(_SHRINKAGE):
            variances = (1 - share) * np.maximum(values, 0) + share * isotropic
            # The kept ones may be copies of one face, which have no variance at all.
            variances = np.maximum(variances, _LEAST_VARIANCE / len(covariance))
            total[index] -= (len(left_out) * np.log(variances).sum() + (squares / variances).sum()) / 2
    return total
