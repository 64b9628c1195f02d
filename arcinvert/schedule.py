"""How long and how fast an inversion goes."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Adam with warm-up and cosine.

    Args:
        steps: of the optimiser.
        learning_rate: at its highest.
        betas: Adam's decay rates.
        warm_up: share of the steps in which the rate rises from zero.
    """

    steps: int = 250
    learning_rate: float = 0.05
    betas: tuple[float, float] = (0.5, 0.9)
    warm_up: float = 0.05

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from zero."""
        rising = max(1, round(self.steps * self.warm_up))
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        return (
            self.learning_rate * (1 + math.cos(math.pi * (step - rising) / max(1, self.steps - rising))) / 2
        )
