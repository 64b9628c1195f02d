"""Templates whose numbers are kept with few bits."""

from collections.abc import Sequence

import numpy as np

from arcinvert.audit.defences.base import UnkeyedDefence, unit_norm
from arcinvert.evaluation.similarity import Array


class Quantisation(UnkeyedDefence):
    """Rounds each number to `strength` bits; one bit keeps only the sign.

    The adversary inverts the rounded template as it is.
    """

    name = "quantisation"
    strength_means, default, minimum, maximum = "bits of each number", 1.0, 1.0, 16.0
    #: The range of the levels, in standard deviations of a unit vector's numbers.
    SPAN = 3.0

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        levels = 2 ** int(self.strength)
        reach = self.SPAN / np.sqrt(templates.shape[1])
        step = 2 * reach / levels
        index = np.clip(np.floor((templates + reach) / step), 0, levels - 1)
        return unit_norm((index + 0.5) * step - reach)
