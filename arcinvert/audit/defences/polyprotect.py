"""PolyProtect: keyed polynomials of short runs of the template's numbers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.defences.base import Adversary, TemplateDefence, for_each_key, unit_norm
from arcinvert.audit.defences.polyprotect_keyless import estimate_without_key
from arcinvert.evaluation.similarity import Array
from arcinvert.knowledge.template_prior import TemplatePrior

#: The adversary's steps, the share of each that is taken, and the change of a number at which they end.
_STEPS, _SHARE, _TOLERANCE = 60, 0.5, 1e-6
#: The variance that a record's numbers have at least, and that of a template's.
_ROUNDING, _SMALLEST_VARIANCE = 1e-8, 1e-14


class PolyProtect(TemplateDefence):
    """Maps runs of five numbers to polynomials whose coefficients and exponents the key chooses.

    The adversary, who holds the key, replaces the polynomials by the linear functions that fit them best
    under the current belief, with the misfit as noise, and updates the belief with the record, until both
    agree. Where the record settles the template, these become Gauss-Newton steps; where it does not, a number
    that may have either sign adds noise instead of a guess. Random starts ended at the same estimates, so
    that there is one start.

    Source: Hahn and Marcel, IEEE TBIOM 4(3), 2022, with exponents 1 to 5 in a random order and integer
        coefficients from -50 to 50; the adversary, posterior linearisation, García-Fernández, Svensson,
        Morelande and Särkkä, IEEE TSP 63(20), 2015, with exact moments and a diagonal misfit.
    """

    name, keyed = "polyprotect", True
    whole = True
    strength_means, default, minimum, maximum = "numbers that neighbouring runs share", 2.0, 0.0, 4.0
    attacker = "posterior mean under a Gaussian prior by posterior linearisation"
    attacker_without_key = "posterior mean under a Gaussian prior and the likeliest term of first order"
    #: Numbers in a run, and the largest coefficient.
    RUN, LARGEST = 5, 50

    def key_parameters(self, key: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the coefficients and the exponents that a key chooses, each (5,)."""
        generator = np.random.default_rng(key)
        sizes = generator.choice(np.arange(1, self.LARGEST + 1), self.RUN, replace=False)
        return sizes * generator.choice([-1, 1], self.RUN), generator.permutation(self.RUN) + 1

    def runs(self, dim: int) -> NDArray[np.int64]:
        """Return indices, (runs, 5); the last run may reach beyond `dim`, where zeros stand."""
        stride = self.RUN - int(self.strength)
        count = max(1, -(-(dim - int(self.strength)) // stride))
        return np.arange(count)[:, None] * stride + np.arange(self.RUN)

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        # The length is kept: the polynomials are not homogeneous, and comparison is by angle anyway.
        return for_each_key(templates, keys, lambda key, rows: self._polynomials(rows, key))

    def recover(self, protected: Array, keys: Sequence[int], adversary: Adversary) -> Array:
        prior = adversary.prior
        rows = [self._estimate(row, key, prior) for row, key in zip(protected, keys, strict=True)]
        return unit_norm(np.stack(rows))

    def recover_without_key(self, protected: Array, adversary: Adversary) -> Array:
        prior, runs = adversary.prior, self.runs(adversary.dim)
        rows = [estimate_without_key(row, runs, self.LARGEST, prior) for row in protected]
        return unit_norm(np.stack(rows))

    def _polynomials(self, templates: Array, key: int) -> Array:
        coefficients, exponents = self.key_parameters(key)
        runs = self.runs(templates.shape[1])
        padded = np.pad(templates, ((0, 0), (0, max(0, int(runs.max()) + 1 - templates.shape[1]))))
        return (coefficients * padded[:, runs] ** exponents).sum(-1)

    def _estimate(self, protected: Array, key: int, prior: TemplatePrior) -> Array:
        """Return the posterior mean, (dim,), of the template of one record, (runs,)."""
        dim, before = len(prior.mean), np.diag(prior.covariance)
        runs, parameters = self.runs(dim), self.key_parameters(key)
        mean, variance = prior.mean, before
        for _ in range(_STEPS):
            values, slopes, misfit = _linearised(mean, variance, runs, *parameters)
            across = slopes @ prior.covariance
            gain = np.linalg.solve(across @ slopes.T + np.diag(misfit + _ROUNDING), across)
            new = prior.mean + (protected - values + slopes @ (mean - prior.mean)) @ gain
            left = np.maximum(before - (gain * across).sum(0), _SMALLEST_VARIANCE)
            # No number of a unit-norm template exceeds 1: steps that overshoot end there.
            new = np.clip(mean + _SHARE * (new - mean), -1, 1)
            change, mean = np.abs(new - mean).max(), new
            variance = variance + _SHARE * (left - variance)
            if change < _TOLERANCE:
                break
        return np.asarray(mean)


def _linearised(
    mean: Array,
    variance: Array,
    runs: NDArray[np.int64],
    coefficients: NDArray[np.int64],
    exponents: NDArray[np.int64],
) -> tuple[Array, Array, Array]:
    """Return the linear functions that fit the polynomials best under independent Gaussian numbers.

    Args:
        mean: Shape (dim,), of the template's numbers.
        variance: Shape (dim,), of these.
        runs: Shape (runs, 5), as `PolyProtect.runs` returns them.
        coefficients: Shape (5,).
        exponents: Shape (5,).

    Returns:
        The polynomials' means, (runs,), their slopes, (runs, dim), and the variances of the misfit, (runs,).
    """
    dim = len(mean)
    length = max(int(runs.max()) + 1, dim)
    mean, variance = (np.pad(row, (0, length - dim)) for row in (mean, variance))
    moments = _moments(mean, variance, 2 * int(exponents.max()))
    raised = moments[exponents, runs]
    # The slope of best fit is the derivative's expectation (Stein's lemma).
    slopes = exponents * moments[exponents - 1, runs]
    misfit = moments[2 * exponents, runs] - raised**2 - slopes**2 * variance[runs]
    jacobian = np.zeros((len(runs), length))
    np.put_along_axis(jacobian, runs, coefficients * slopes, axis=1)
    # Numbers beyond the template's end are zeros, not unknowns.
    return (
        (coefficients * raised).sum(1),
        jacobian[:, :dim],
        (coefficients**2 * np.maximum(misfit, 0)).sum(1),
    )


def _moments(mean: Array, variance: Array, largest: int) -> Array:
    """Return E[x^n] of Gaussian numbers x, (largest + 1, numbers), for n from 0."""
    moments = [np.ones_like(mean), mean]
    for power in range(2, largest + 1):
        moments.append(mean * moments[-1] + (power - 1) * variance * moments[-2])
    return np.stack(moments)
