"""Score-only access: templates stay in a server that answers comparisons with rounded scores."""

from collections.abc import Sequence

import numpy as np

from arcinvert.audit.defences.base import Adversary, TemplateDefence, unit_norm
from arcinvert.evaluation.similarity import Array
from arcinvert.knowledge.template_posterior import known_intervals, known_values


class ScoreOnly(TemplateDefence):
    """Keeps the template in a server whose scores have `strength` decimals.

    Verification and linking see rounded scores too. The same holds where templates are stored under
    homomorphic encryption and scores are decrypted: whoever holds the decryption key has the template itself.
    The adversary shows `QUERIES` images, public faces and others made with the network, and solves their
    scores for the template: with as many images as dimensions the scores determine it. The rounding is part
    of the likelihood, as intervals where a score has one decimal, and else as noise of the same variance.

    Source: Mohanty, Sarkar and Kasturi, IEEE TPAMI 29(12), 2007, without a prior; the rounding's variance,
        Widrow, Kollar and Liu, IEEE TIM 45(2), 1996.
    """

    name, stored = "scores", False
    whole = True
    strength_means, default, minimum, maximum = "decimals of a score", 2.0, 1.0, 6.0
    attacker = "posterior mean under a Gaussian prior and the rounding"
    #: The images that the adversary shows to compare with each template.
    QUERIES = 1000

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        return templates

    def recover(self, protected: Array, keys: Sequence[int], adversary: Adversary) -> Array:
        shown, prior = adversary.queries(self.QUERIES), adversary.prior
        scores = self.compared(protected @ shown.T)
        half = 0.5 * 10.0 ** -int(self.strength)
        if int(self.strength) == 1:
            return unit_norm(known_intervals(prior, shown, scores - half, scores + half))
        return unit_norm(known_values(prior, shown, scores, variance=half**2 / 3))

    def compared(self, similarities: Array) -> Array:
        return np.asarray(np.round(similarities, int(self.strength)))

    def sees(self, adversary: Adversary) -> str:
        return f"scores of {self.QUERIES:,} images"
