"""PolyProtect: keyed polynomials of short runs of the template's numbers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.defences.base import Adversary, TemplateDefence, for_each_key, unit_norm
from arcinvert.evaluation.similarity import Array


class PolyProtect(TemplateDefence):
    """Maps runs of five numbers to polynomials whose coefficients and exponents the key chooses.

    The adversary, who holds the key, solves the polynomials by damped Gauss-Newton steps from zero.

    Source: Hahn and Marcel, IEEE TBIOM 4(3), 2022, with exponents 1 to 5 in a random order and integer
    coefficients from -50 to 50.
    """

    name, keyed = "polyprotect", True
    strength_means, default, minimum, maximum = "numbers that neighbouring runs share", 2.0, 0.0, 4.0
    #: Numbers in a run, and the largest coefficient.
    RUN, LARGEST = 5, 50
    #: The adversary's Gauss-Newton steps, and the fraction of each that is taken.
    SOLVER_STEPS, DAMPING = 30, 0.7

    def key_parameters(self, key: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the coefficients and the exponents that a key chooses, each (5,)."""
        generator = np.random.default_rng(key)
        sizes = generator.choice(np.arange(1, self.LARGEST + 1), self.RUN, replace=False)
        return sizes * generator.choice([-1, 1], self.RUN), generator.permutation(self.RUN) + 1

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        # The length is kept: the polynomials are not homogeneous, and comparison is by angle anyway.
        return for_each_key(templates, keys, lambda key, rows: self._polynomials(rows, key))

    def recover(self, protected: Array, keys: Sequence[int], adversary: Adversary) -> Array:
        rows = [self._solve(row, key, adversary.dim) for row, key in zip(protected, keys, strict=True)]
        return unit_norm(np.stack(rows))

    def _runs(self, dim: int) -> NDArray[np.int64]:
        """Return indices, (runs, 5); the last run may reach beyond `dim`, where zeros stand."""
        stride = self.RUN - int(self.strength)
        count = max(1, -(-(dim - int(self.strength)) // stride))
        return np.arange(count)[:, None] * stride + np.arange(self.RUN)

    def _polynomials(self, templates: Array, key: int) -> Array:
        coefficients, exponents = self.key_parameters(key)
        runs = self._runs(templates.shape[1])
        padded = np.pad(templates, ((0, 0), (0, max(0, int(runs.max()) + 1 - templates.shape[1]))))
        return (coefficients * padded[:, runs] ** exponents).sum(-1)

    def _solve(self, protected: Array, key: int, dim: int) -> Array:
        """Return the smallest template, (dim,), that gives the protected one."""
        coefficients, exponents = self.key_parameters(key)
        runs = self._runs(dim)
        length = int(runs.max()) + 1
        template = np.zeros(max(dim, length))
        lines = np.arange(len(runs))[:, None]
        for _ in range(self.SOLVER_STEPS):
            values = template[runs]
            missing = protected - (coefficients * values**exponents).sum(-1)
            jacobian = np.zeros((len(runs), len(template)))
            jacobian[lines, runs] = coefficients * exponents * values ** (exponents - 1)
            step = np.linalg.lstsq(jacobian[:, :dim], missing, rcond=1e-6)[0]
            template[:dim] += self.DAMPING * step
        return template[:dim]
