"""BioHashing: signs of a keyed projection."""

from collections.abc import Sequence

import numpy as np

from arcinvert.audit.defences.base import Adversary, for_each_key, unit_norm
from arcinvert.audit.defences.projection import Projection
from arcinvert.evaluation.similarity import Array
from arcinvert.knowledge.template_posterior import known_intervals


class BioHashing(Projection):
    """Keeps the signs along random orthonormal directions that the key chooses.

    The adversary, who holds the key, averages over all templates that have these signs, weighted by how
    likely public faces make them.

    Source: Jin, Ling and Goh, Pattern Recognition 37(11), 2004.
    """

    name = "biohashing"
    attacker = "posterior mean under a Gaussian prior and the signs"

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        projected = super().protect(templates, keys)
        return unit_norm(np.where(projected >= 0, 1.0, -1.0))

    def recover(self, protected: Array, keys: Sequence[int], adversary: Adversary) -> Array:
        prior = adversary.prior

        def estimate(key: int, signs: Array) -> Array:
            low, high = np.where(signs > 0, 0.0, -np.inf), np.where(signs > 0, np.inf, 0.0)
            return known_intervals(prior, self.directions(key, adversary.dim), low, high)

        return unit_norm(for_each_key(protected, keys, estimate))
