"""Score-only access: templates stay in a server that answers comparisons with rounded scores."""

from collections.abc import Sequence

import numpy as np

from arcinvert.audit.defences.base import Adversary, TemplateDefence, unit_norm
from arcinvert.evaluation.similarity import Array


class ScoreOnly(TemplateDefence):
    """Keeps the template in a server whose scores have `strength` decimals.

    The adversary shows public faces and solves their scores for the template (Mohanty, Sarkar and Kasturi,
    IEEE TPAMI 29(12), 2007): with as many faces as dimensions the scores determine it.
    """

    name, stored = "scores", False
    strength_means, default, minimum, maximum = "decimals of a score", 2.0, 1.0, 6.0
    #: Added to the squares of the least-squares solution, so that rounding is not amplified.
    RIDGE = 1e-3

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        return templates

    def recover(self, protected: Array, keys: Sequence[int], adversary: Adversary) -> Array:
        public = adversary.public
        scores = np.round(protected @ public.T, int(self.strength))
        squares = public @ public.T + self.RIDGE * np.eye(len(public))
        return unit_norm(np.linalg.solve(squares, scores.T).T @ public)

    def held(self, adversary: Adversary) -> str:
        return f"scores of {len(adversary.public)} public faces"
