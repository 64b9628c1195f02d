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
        average: share of the steps, the last ones, whose images are averaged for the result.
    """

    steps: int = 250
    learning_rate: float = 0.05
    betas: tuple[float, float] = (0.5, 0.9)
    warm_up: float = 0.05
    average: float = 0.0

    def averages(self, step: int) -> bool:
        """Whether the images after a step, counted from one, are among those averaged."""
        return step > self.steps - round(self.steps * self.average)

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from zero."""
        rising = max(1, round(self.steps * self.warm_up))
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        return (
            self.learning_rate * (1 + math.cos(math.pi * (step - rising) / max(1, self.steps - rising))) / 2
        )
