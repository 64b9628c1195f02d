"""Templates of which only the first numbers are kept."""

from collections.abc import Sequence

import numpy as np

from arcinvert.audit.defences.base import Adversary, TemplateDefence, unit_norm
from arcinvert.evaluation.similarity import Array


class Truncation(TemplateDefence):
    """Keeps the first numbers of the template. The adversary takes the missing ones for zeros."""

    name = "truncation"
    strength_means, default, minimum, maximum = "share of the dimensions kept", 0.25, 0.01, 1.0

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        return unit_norm(templates[:, : max(1, round(self.strength * templates.shape[1]))])

    def recover(self, protected: Array, keys: Sequence[int], adversary: Adversary) -> Array:
        return np.pad(protected, ((0, 0), (0, adversary.dim - protected.shape[1])))
