"""PolyProtect: keyed polynomials of short runs of the template's numbers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.defences.base import Adversary, TemplateDefence, for_each_key, unit_norm
from arcinvert.audit.defences.prior import TemplatePrior, fit_prior
from arcinvert.evaluation.similarity import Array
from recognition.seeds import derive_seed

#: The adversary's steps; the variance of a record's noise that it begins and ends with, and its decay.
_STEPS, _NOISE, _NOISE_DECAY = 60, (1.0, 1e-6), 0.6
#: The smallest share of a step that is tried, and the largest change of a number at which the solver ends.
_SMALLEST_SHARE, _TOLERANCE = 1e-3, 1e-7
#: The relative difference of objectives by which two starts have found the same template.
_AGREEMENT = 1e-3


class PolyProtect(TemplateDefence):
    """Maps runs of five numbers to polynomials whose coefficients and exponents the key chooses.

    The adversary, who holds the key, finds the most likely of all templates that give the record, by
    Gauss-Newton steps from the mean of public faces. Random templates are further starts, until what is found
    is as likely as a template is on average, or is found again.

    Source: Hahn and Marcel, IEEE TBIOM 4(3), 2022, with exponents 1 to 5 in a random order and integer
    coefficients from -50 to 50; the adversary's step, Bell and Cathey, IEEE TAC 38(2), 1993.
    """

    name, keyed = "polyprotect", True
    strength_means, default, minimum, maximum = "numbers that neighbouring runs share", 2.0, 0.0, 4.0
    attacker = "the most likely template under a Gaussian prior"
    #: Numbers in a run, and the largest coefficient.
    RUN, LARGEST = 5, 50
    #: The most starts of the adversary's solver.
    STARTS = 8

    def key_parameters(self, key: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the coefficients and the exponents that a key chooses, each (5,)."""
        generator = np.random.default_rng(key)
        sizes = generator.choice(np.arange(1, self.LARGEST + 1), self.RUN, replace=False)
        return sizes * generator.choice([-1, 1], self.RUN), generator.permutation(self.RUN) + 1

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        # The length is kept: the polynomials are not homogeneous, and comparison is by angle anyway.
        return for_each_key(templates, keys, lambda key, rows: self._polynomials(rows, key))

    def recover(self, protected: Array, keys: Sequence[int], adversary: Adversary) -> Array:
        prior = fit_prior(adversary.public, adversary.dim)
        rows = [self._estimate(row, key, prior) for row, key in zip(protected, keys, strict=True)]
        return unit_norm(np.stack(rows))

    def runs(self, dim: int) -> NDArray[np.int64]:
        """Return indices, (runs, 5); the last run may reach beyond `dim`, where zeros stand."""
        stride = self.RUN - int(self.strength)
        count = max(1, -(-(dim - int(self.strength)) // stride))
        return np.arange(count)[:, None] * stride + np.arange(self.RUN)

    def _polynomials(self, templates: Array, key: int) -> Array:
        coefficients, exponents = self.key_parameters(key)
        runs = self.runs(templates.shape[1])
        padded = np.pad(templates, ((0, 0), (0, max(0, int(runs.max()) + 1 - templates.shape[1]))))
        return (coefficients * padded[:, runs] ** exponents).sum(-1)

    def _estimate(self, protected: Array, key: int, prior: TemplatePrior) -> Array:
        """Return the most likely template, (dim,), that gives the protected one."""
        generator = np.random.default_rng(derive_seed(key, "starts of the solver"))
        root = np.linalg.cholesky(prior.covariance)
        problem = _Problem(self, protected, key, prior)
        best, least = prior.mean, np.inf
        for number in range(self.STARTS):
            away = root @ generator.normal(size=len(root)) if number else 0.0
            template = problem.solve(prior.mean + away)
            objective = problem.objective(template, _NOISE[1])
            again = abs(objective - least) < _AGREEMENT * abs(least)
            if objective < least:
                best, least = template, objective
            # The true template's squared distance from the mean is `dim` on average, if the prior is right.
            if again or least < len(root) / 2:
                break
        return best


class _Problem:
    """Finding the most likely template of one record.

    Args:
        defence: The defence.
        protected: Shape (runs,), the record.
        key: Its key.
        prior: The prior of templates.
    """

    def __init__(self, defence: PolyProtect, protected: Array, key: int, prior: TemplatePrior) -> None:
        self._protected, self._prior = protected, prior
        self._coefficients, self._exponents = defence.key_parameters(key)
        self._runs = defence.runs(len(prior.mean))
        self._length = int(self._runs.max()) + 1
        self._precision = np.linalg.inv(prior.covariance)

    def solve(self, template: Array) -> Array:
        """Return a local solution, (dim,), from a start, (dim,).

        Each step, a Gauss-Newton one, is to the posterior mean under the polynomials' linear approximation;
        it is halved until the objective falls. The noise that the record is taken to have falls step by step,
        so that early steps, far from the solution, do not follow their approximation too far.
        """
        covariance, noise = self._prior.covariance, _NOISE[0]
        for _ in range(_STEPS):
            values, jacobian = self._linear(template)
            across = jacobian @ covariance
            missing = self._protected - values + jacobian @ (template - self._prior.mean)
            weights = np.linalg.solve(across @ jacobian.T + noise * np.eye(len(values)), missing)
            step = self._prior.mean + weights @ across - template
            share, before = 1.0, self.objective(template, noise)
            while share > _SMALLEST_SHARE and self.objective(template + share * step, noise) > before:
                share /= 2
            template = template + share * step
            if noise <= _NOISE[1] and np.abs(share * step).max() < _TOLERANCE:
                break
            noise = max(_NOISE[1], _NOISE_DECAY * noise)
        return template

    def objective(self, template: Array, noise: float) -> float:
        """Return the negative logarithm of the posterior density of a template, (dim,), up to a constant."""
        missing = self._protected - self._terms(self._values(template)).sum(-1)
        away = template - self._prior.mean
        return float(missing @ missing / noise + away @ self._precision @ away) / 2

    def _values(self, template: Array) -> Array:
        return np.pad(template, (0, max(0, self._length - len(template))))[self._runs]

    def _terms(self, values: Array) -> Array:
        return np.asarray(self._coefficients * values**self._exponents)

    def _linear(self, template: Array) -> tuple[Array, Array]:
        """Return the polynomials' values, (runs,), and their derivatives, (runs, dim)."""
        values = self._values(template)
        jacobian = np.zeros((len(values), max(self._length, len(template))))
        slopes = self._coefficients * self._exponents * values ** (self._exponents - 1)
        np.put_along_axis(jacobian, self._runs, slopes, axis=1)
        return self._terms(values).sum(-1), jacobian[:, : len(template)]
