"""Templates of which only the first numbers are kept."""

from collections.abc import Sequence

import numpy as np

from arcinvert.audit.defences.base import Adversary, TemplateDefence, unit_norm
from arcinvert.evaluation.similarity import Array
from arcinvert.knowledge.template_posterior import known_directions


class Truncation(TemplateDefence):
    """Keeps the first numbers of the template. The adversary predicts the others from public faces."""

    name = "truncation"
    strength_means, default, minimum, maximum = "share of the dimensions kept", 0.25, 0.01, 1.0
    attacker = "posterior mean under a Gaussian prior"

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        return unit_norm(templates[:, : max(1, round(self.strength * templates.shape[1]))])

    def recover(self, protected: Array, keys: Sequence[int], adversary: Adversary) -> Array:
        rows = np.eye(adversary.dim)[: protected.shape[1]]
        prior = adversary.prior
        return unit_norm(known_directions(prior, rows, protected, variance=0.0))
