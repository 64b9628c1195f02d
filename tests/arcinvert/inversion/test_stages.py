"""Stages: optimisations in a row, by hand and as one inversion."""

import torch
from torch import Tensor

from arcinvert.inversion.engine import invert
from arcinvert.inversion.parametrisations.low_resolution import LowResolution
from arcinvert.inversion.parametrisations.pixels import Pixels
from arcinvert.inversion.progress import StepCounter
from arcinvert.inversion.result import Inversion, Step, StopInversion
from arcinvert.inversion.schedule import Schedule, plan_stages
from arcinvert.inversion.stages import in_stages
from arcinvert.inversion.targets.cosine import CosineTarget
from tests.arcinvert.inversion.networks import linear_recogniser, start, templates


def run(schedule: Schedule, images: Tensor, counter: StepCounter | None = None) -> Inversion:
    return invert(
        linear_recogniser(),
        CosineTarget(templates()),
        LowResolution(images, Pixels) if schedule.low_resolution else Pixels(images),
        schedule,
        counter=counter,
    )


def test_stages_are_one_inversion() -> None:
    numbers: list[tuple[int, int]] = []
    counter = StepCounter(120, lambda step: numbers.append((step.number, step.steps)))
    stages = plan_stages(120, 0.05, warm_up=0.05, low_resolution=0.5)
    whole = in_stages(stages, start(), lambda schedule, images: run(schedule, images, counter))
    assert numbers == [(number, 120) for number in range(1, 121)]
    assert float(whole.similarity.min()) > 0.99
    assert whole.steps == 120
    # By hand: the second stage starts from the first one's images, the whole from the first one's.
    first = run(stages[0], start())
    second = run(stages[1], first.images)
    assert torch.equal(whole.images, second.images)
    assert torch.equal(whole.start, first.start)


def test_a_stop_in_the_first_stage_is_the_end() -> None:
    numbers: list[int] = []

    def stop(step: Step) -> None:
        numbers.append(step.number)
        if step.number == 2:
            raise StopInversion

    counter, stages = StepCounter(9, stop), plan_stages(9, 0.05, warm_up=0.05, low_resolution=0.5)
    inversion = in_stages(stages, start(), lambda schedule, images: run(schedule, images, counter))
    assert inversion.stopped
    assert inversion.steps == 2
    assert numbers == [1, 2]
