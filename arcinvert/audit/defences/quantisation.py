"""Templates whose numbers are kept with few bits."""

from collections.abc import Sequence

import numpy as np

from arcinvert.audit.defences.base import Adversary, UnkeyedDefence, unit_norm
from arcinvert.evaluation.similarity import Array
from arcinvert.knowledge.template_posterior import known_intervals
from recognition.errors import InputError

#: How far a stored number may be from a level, in half steps, and the candidates tried at once.
_TOLERANCE, _BLOCK = 0.05, 256


class Quantisation(UnkeyedDefence):
    """Rounds each number to `strength` bits; one bit keeps only the sign.

    The adversary averages over all templates that round to the stored one, weighted by how likely public
    faces make them.
    """

    name = "quantisation"
    whole = True
    strength_means, default, minimum, maximum = "bits of each number", 1.0, 1.0, 16.0
    attacker, uses_prior = "posterior mean under a Gaussian prior and the rounding", True
    #: The range of the levels, in standard deviations of a unit vector's numbers.
    SPAN = 3.0

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        levels = 2 ** int(self.strength)
        reach = self.SPAN / np.sqrt(templates.shape[1])
        step = 2 * reach / levels
        index = np.clip(np.floor((templates + reach) / step), 0, levels - 1)
        return unit_norm((index + 0.5) * step - reach)

    def recover(self, protected: Array, keys: Sequence[int], adversary: Adversary) -> Array:
        levels = 2 ** int(self.strength)
        reach = self.SPAN / np.sqrt(adversary.dim)
        half_steps = np.stack([self._half_steps(row) for row in protected])
        middle = half_steps * reach / levels
        low = np.where(half_steps > 1 - levels, middle - reach / levels, -np.inf)
        high = np.where(half_steps < levels - 1, middle + reach / levels, np.inf)
        prior = adversary.prior
        return unit_norm(known_intervals(prior, np.eye(adversary.dim), low, high))

    def _half_steps(self, stored: Array) -> Array:
        """Return a stored template, (dim,), in half steps: odd numbers, because levels are between steps.

        Raises:
            InputError: If no step makes them so.
        """
        largest = 2 ** int(self.strength) - 1
        ratios = stored / np.abs(stored).min()
        # The scale was lost: the number of smallest magnitude may stand on any level.
        candidates = np.arange(1, largest + 1, 2)
        for block in np.split(candidates, range(_BLOCK, len(candidates), _BLOCK)):
            numbers = ratios * block[:, None]
            odd = 2 * np.floor(numbers / 2) + 1
            fits = (np.abs(numbers - odd) < _TOLERANCE).all(1) & (np.abs(odd) <= largest).all(1)
            if fits.any():
                return np.asarray(odd[int(fits.argmax())])
        raise InputError(
            f"defence {self.label}: expected a template of {int(self.strength)} bits a number, got others"
        )
