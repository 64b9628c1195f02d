"""Schedules: how long an optimisation runs, how fast, and at which resolution."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Adam's learning rate over the steps of one stage: a linear warm-up, then a cosine to zero.

    Args:
        steps: The number of steps.
        learning_rate: The highest learning rate.
        betas: Adam's decay rates of the first and the second moment.
        warm_up: The fraction of the steps in which the learning rate rises from zero.
        average: The fraction of the steps, the last ones, whose images are averaged for the result.
        early_stopping: The largest gain in cosine similarity over 20 steps at which a batch counts as
            converged; None takes all steps.
        low_resolution: Whether images of half the size are optimised.
    """

    steps: int = 250
    learning_rate: float = 0.05
    betas: tuple[float, float] = (0.5, 0.9)
    warm_up: float = 0.05
    average: float = 0.0
    early_stopping: float | None = None
    low_resolution: bool = False

    def averages(self, step: int) -> bool:
        """Return whether the images after a step, counted from 1, are among those averaged."""
        return step > self.steps - round(self.steps * self.average)

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        rising = max(1, round(self.steps * self.warm_up))
        if step < rising:
            return self.learning_rate * (step + 1) / rising
        return (
            self.learning_rate * (1 + math.cos(math.pi * (step - rising) / max(1, self.steps - rising))) / 2
        )


def plan_stages(
    steps: int,
    learning_rate: float,
    *,
    warm_up: float,
    low_resolution: float,
    average: float = 0.0,
    early_stopping: float | None = None,
) -> tuple[Schedule, ...]:
    """Return the schedule of one stage, or of a stage at low resolution and one at full resolution.

    Args:
        steps: The number of steps of all stages; without any there is one stage that takes none.
        learning_rate: The highest learning rate of each stage.
        warm_up: The fraction of all steps in which the rate rises, in each stage.
        low_resolution: The fraction of all steps at half the size; at least one step is at full size.
        average: The fraction of all steps, the last ones, whose images are averaged for the result.
        early_stopping: See `Schedule`.
    """
    if not steps:
        return (Schedule(0, learning_rate),)
    first = min(round(steps * low_resolution), steps - 1)
    return tuple(
        Schedule(
            length,
            learning_rate,
            warm_up=min(1.0, steps * warm_up / length),
            average=0.0 if half else min(1.0, steps * average / length),
            early_stopping=early_stopping,
            low_resolution=half,
        )
        for length, half in ((first, True), (steps - first, False))
        if length
    )
