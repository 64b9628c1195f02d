"""BioHashing: signs of a keyed projection."""

from collections.abc import Sequence

import numpy as np

from arcinvert.audit.defences.base import unit_norm
from arcinvert.audit.defences.projection import Projection
from arcinvert.evaluation.similarity import Array


class BioHashing(Projection):
    """Keeps the signs along random orthonormal directions that the key chooses.

    The adversary, who holds the key, projects the signs back.

    Source: Jin, Ling and Goh, Pattern Recognition 37(11), 2004.
    """

    name = "biohashing"

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        projected = super().protect(templates, keys)
        return unit_norm(np.where(projected >= 0, 1.0, -1.0))
