"""Gaussian noise on the stored template."""

from collections.abc import Sequence

import numpy as np

from arcinvert.audit.defences.base import UnkeyedDefence, unit_norm
from arcinvert.evaluation.similarity import Array


class Noise(UnkeyedDefence):
    """Adds Gaussian noise of `strength` times the template's length; fresh photographs stay clean.

    The adversary inverts the noisy template as it is.
    """

    name = "noise"
    strength_means, default, maximum = "length of the noise relative to the template's", 1.0, 10.0

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        noise = np.stack([np.random.default_rng(key).normal(size=templates.shape[1]) for key in keys])
        return unit_norm(templates + self.strength * noise / np.sqrt(templates.shape[1]))
