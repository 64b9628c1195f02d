"""LowResolution to fine: stages by hand, and as one inversion."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.inversion.engine import invert
from arcinvert.inversion.parametrisations import PARAMETRISATIONS, LowResolution, Pixels
from arcinvert.inversion.result import Inversion, Step, StopInversion
from arcinvert.inversion.schedule import Schedule
from arcinvert.inversion.stages import Stage, in_stages, plan_stages
from arcinvert.inversion.targets import CosineTarget
from tests.arcinvert.inversion.test_engine import SIZE, linear_recogniser, start, templates


def lengths(stages: list[Stage]) -> list[tuple[int, bool]]:
    return [(stage.schedule.steps, stage.coarse) for stage in stages]


def test_the_published_stages() -> None:
    stages = plan_stages(3000, 0.125, warm_up=100 / 3000, coarse=2 / 3)
    assert lengths(stages) == [(2000, True), (1000, False)]
    for stage in stages:
        assert stage.schedule.rate(99) == pytest.approx(0.125)
        assert stage.schedule.rate(49) == pytest.approx(0.0625)
        assert stage.schedule.rate(stage.schedule.steps - 1) < 1e-5


@pytest.mark.parametrize(
    ("steps", "coarse", "expected"),
    [
        (300, 2 / 3, [(200, True), (100, False)]),
        (10, 0.0, [(10, False)]),
        (3, 0.1, [(3, False)]),
        # However short, the last steps are fine.
        (2, 0.99, [(1, True), (1, False)]),
        (1, 0.99, [(1, False)]),
    ],
)
def test_lengths(steps: int, coarse: float, expected: list[tuple[int, bool]]) -> None:
    assert lengths(plan_stages(steps, 0.1, warm_up=0.5, coarse=coarse)) == expected


def test_one_stage_is_the_schedule_alone() -> None:
    (stage,) = plan_stages(250, 0.05, warm_up=0.05, coarse=0)
    assert stage.schedule == Schedule(250, 0.05, warm_up=0.05)


def test_the_last_of_all_steps_are_averaged() -> None:
    coarse, fine = plan_stages(100, 0.05, warm_up=0.05, coarse=0.6, average=0.2)
    assert [step for step in range(1, 61) if coarse.schedule.averages(step)] == []
    assert [step for step in range(1, 41) if fine.schedule.averages(step)] == list(range(21, 41))
    # No more than the fine ones.
    _, short = plan_stages(100, 0.05, warm_up=0.05, coarse=0.9, average=0.5)
    assert all(short.schedule.averages(step) for step in range(1, 11))


def run(stage: Stage, images: Tensor, heard: object) -> Inversion:
    return invert(
        linear_recogniser(),
        CosineTarget(templates()),
        stage.begin(Pixels, images),
        stage.schedule,
        callback=heard,  # type: ignore[arg-type]
    )


def test_stages_are_one_inversion() -> None:
    seen: list[tuple[int, int]] = []
    stages = plan_stages(120, 0.05, warm_up=0.05, coarse=0.5)
    whole = in_stages(stages, start(), run, lambda step: seen.append((step.number, step.steps)))
    assert seen == [(number, 120) for number in range(1, 121)]
    assert float(whole.similarity.min()) > 0.99
    # By hand: the second stage begins at the first one's images, the whole at the first one's start.
    first = run(stages[0], start(), lambda step: None)
    second = run(stages[1], first.images, lambda step: None)
    assert torch.equal(whole.images, second.images)
    assert torch.equal(whole.start, first.start)


def test_a_stop_in_the_first_stage_is_the_end() -> None:
    seen: list[int] = []

    def stop(step: Step) -> None:
        seen.append(step.number)
        if step.number == 2:
            raise StopInversion

    inversion = in_stages(plan_stages(9, 0.05, warm_up=0.05, coarse=0.5), start(), run, stop)
    assert inversion.stopped
    assert seen == [1, 2]


def test_a_coarse_image_is_the_mean_of_four_pixels_enlarged() -> None:
    images = start()
    coarse = LowResolution(images, Pixels)
    (leaf,) = coarse.parameters
    by_hand = torch.stack(
        [
            images[:, :, row : row + 2, column : column + 2].mean((2, 3))
            for row in range(0, SIZE, 2)
            for column in range(0, SIZE, 2)
        ],
        dim=-1,
    ).unflatten(-1, (SIZE // 2, SIZE // 2))
    torch.testing.assert_close(leaf.detach(), by_hand)
    enlarged = coarse.images()
    assert enlarged.shape == images.shape
    torch.testing.assert_close(
        enlarged, F.interpolate(by_hand, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    )


@pytest.mark.parametrize("name", PARAMETRISATIONS)
def test_any_parametrisation_can_be_coarse(name: str) -> None:
    coarse = LowResolution(torch.rand(2, 3, 32, 32), PARAMETRISATIONS[name])
    images = coarse.images()
    assert images.shape == (2, 3, 32, 32)
    images.sum().backward()  # type: ignore[no-untyped-call]
    assert all(leaf.grad is not None and bool(leaf.grad.isfinite().all()) for leaf in coarse.parameters)
    assert (coarse.penalty() is not None) == (name == "eigenfaces")
    with torch.no_grad():
        coarse.parameters[0].add_(5)
    coarse.project()
    if name == "pixels":
        assert float(coarse.images().detach().max()) <= 1
