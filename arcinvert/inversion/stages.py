"""Stages: optimisations in a row, each starting from the images of the one before."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import Tensor

from arcinvert.inversion.result import Inversion
from arcinvert.inversion.schedule import Schedule


def in_stages(
    stages: Sequence[Schedule], start: Tensor, run: Callable[[Schedule, Tensor], Inversion]
) -> Inversion:
    """Run stages as one inversion; a stage that was stopped is the last.

    Args:
        stages: The schedule of each stage, at least one.
        start: The initial images, shape (batch, 3, h, w).
        run: Runs one stage from given images.
    """
    inversions: list[Inversion] = []
    for schedule in stages:
        inversions.append(run(schedule, inversions[-1].images if inversions else start))
        if inversions[-1].stopped:
            break
    return replace(
        inversions[-1], start=inversions[0].start, steps=sum(inversion.steps for inversion in inversions)
    )
