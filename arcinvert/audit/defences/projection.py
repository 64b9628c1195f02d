"""Random projections that a key chooses."""

from collections.abc import Sequence

import numpy as np

from arcinvert.audit.defences.base import Adversary, TemplateDefence, for_each_key, unit_norm
from arcinvert.audit.defences.orthonormal import random_orthonormal
from arcinvert.evaluation.similarity import Array
from arcinvert.knowledge.template_posterior import known_directions


class Projection(TemplateDefence):
    """Projects onto random orthonormal directions that the key chooses.

    The adversary, who holds the key, predicts the directions that were dropped from public faces.
    """

    name, keyed = "projection", True
    strength_means, default, minimum, maximum = "share of the dimensions kept", 0.25, 0.01, 1.0
    attacker = "posterior mean under a Gaussian prior"
    same_estimate = True

    def directions(self, key: int, dim: int) -> Array:
        """Return orthonormal rows, (k, dim)."""
        size = max(1, round(self.strength * dim))
        return random_orthonormal(np.random.default_rng(key), dim, size).T

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        dim = templates.shape[1]
        projected = for_each_key(templates, keys, lambda key, rows: rows @ self.directions(key, dim).T)
        return unit_norm(projected)

    def recover(self, protected: Array, keys: Sequence[int], adversary: Adversary) -> Array:
        prior = adversary.prior

        def estimate(key: int, records: Array) -> Array:
            return known_directions(prior, self.directions(key, adversary.dim), records, variance=0.0)

        return unit_norm(for_each_key(protected, keys, estimate))
