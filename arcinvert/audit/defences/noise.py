"""Gaussian noise on the stored template."""

from collections.abc import Sequence

import numpy as np

from arcinvert.audit.defences.base import Adversary, UnkeyedDefence, unit_norm
from arcinvert.evaluation.similarity import Array
from arcinvert.knowledge.template_posterior import known_directions


class Noise(UnkeyedDefence):
    """Adds Gaussian noise of `strength` times the template's length; fresh photographs stay clean.

    The adversary removes the part that public faces show to be noise.
    """

    name = "noise"
    strength_means, default, maximum = "length of the noise relative to the template's", 1.0, 10.0
    attacker, uses_prior = "posterior mean under a Gaussian prior", True

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        noise = np.stack([np.random.default_rng(key).normal(size=templates.shape[1]) for key in keys])
        return unit_norm(templates + self.strength * noise / np.sqrt(templates.shape[1]))

    def recover(self, protected: Array, keys: Sequence[int], adversary: Adversary) -> Array:
        prior = adversary.prior
        variance = self.strength**2 / adversary.dim
        return unit_norm(known_directions(prior, np.eye(adversary.dim), protected, variance))
