"""LowResolution to fine: an inversion in stages, each of which begins where the one before ended."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from arcinvert.inversion.parametrisations import LowResolution, Parametrisation
from arcinvert.inversion.result import Inversion, Step
from arcinvert.inversion.schedule import Schedule

#: Runs one stage: from images, heard by a callback.
Run = Callable[["Stage", Tensor, Callable[[Step], None]], Inversion]


@dataclass(frozen=True)
class Stage:
    """One optimisation of several.

    Args:
        schedule: its own, warm-up and cosine.
        coarse: whether images of half the size are optimised.
    """

    schedule: Schedule
    coarse: bool

    def begin(self, parametrisation: type[Parametrisation], images: Tensor) -> Parametrisation:
        """The parametrisation of this stage at images, (batch, 3, h, w)."""
        return LowResolution(images, parametrisation) if self.coarse else parametrisation(images)


def plan_stages(
    steps: int, learning_rate: float, *, warm_up: float, coarse: float, average: float = 0.0
) -> list[Stage]:
    """One stage, or a coarse one and a fine one.

    Args:
        steps: of all stages.
        warm_up: share of all steps in which the rate rises, in each stage.
        coarse: share of all steps at half the size; at least one step stays fine.
        average: share of all steps, the last fine ones, whose images are averaged for the result.
    """
    first = min(round(steps * coarse), steps - 1)
    return [
        Stage(
            Schedule(
                length,
                learning_rate,
                warm_up=min(1.0, steps * warm_up / length),
                average=0.0 if half else min(1.0, steps * average / length),
            ),
            coarse=half,
        )
        for length, half in ((first, True), (steps - first, False))
        if length
    ]


def in_stages(
    stages: Sequence[Stage], start: Tensor, run: Run, callback: Callable[[Step], None]
) -> Inversion:
    """Run stages as one inversion, whose steps are counted through; a stopped one is the last.

    Args:
        stages: at least one.
        start: images to begin with, (batch, 3, h, w).
    """
    total, done = sum(stage.schedule.steps for stage in stages), 0
    inversions: list[Inversion] = []
    for stage in stages:

        def heard(step: Step, before: int = done) -> None:
            callback(replace(step, number=before + step.number, steps=total))

        inversions.append(run(stage, inversions[-1].images if inversions else start, heard))
        if inversions[-1].stopped:
            break
        done += stage.schedule.steps
    return replace(
        inversions[-1], start=inversions[0].start, steps=sum(inversion.steps for inversion in inversions)
    )
