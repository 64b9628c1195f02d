"""Schedules: the learning rate and the stages, computed by hand."""

import math

import pytest

from arcinvert.inversion.schedule import Schedule, plan_stages


def test_warm_up_rises_in_equal_steps() -> None:
    schedule = Schedule(steps=105, learning_rate=0.1, warm_up=0.05)
    rates = [schedule.rate(step) for step in range(5)]
    assert rates == pytest.approx([0.02, 0.04, 0.06, 0.08, 0.1])


def test_cosine_after_the_warm_up() -> None:
    schedule = Schedule(steps=105, learning_rate=0.1, warm_up=0.05)
    assert schedule.rate(5) == pytest.approx(0.1)
    assert schedule.rate(30) == pytest.approx(0.05 * (1 + math.sqrt(0.5)))
    assert schedule.rate(55) == pytest.approx(0.05)
    assert schedule.rate(80) == pytest.approx(0.05 * (1 - math.sqrt(0.5)))


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 250])
def test_highest_rate_and_end(steps: int) -> None:
    schedule = Schedule(steps=steps, learning_rate=0.3)
    rates = [schedule.rate(step) for step in range(steps)]
    highest = rates.index(max(rates))
    assert rates[highest] == pytest.approx(0.3)
    assert rates[highest:] == sorted(rates[highest:], reverse=True)
    assert all(0 <= rate <= 0.3 + 1e-12 for rate in rates)
    assert rates[-1] < 0.01 * 0.3 or steps <= 10


def test_a_warm_up_of_all_steps() -> None:
    schedule = Schedule(steps=4, learning_rate=0.4, warm_up=1.0)
    assert [schedule.rate(step) for step in range(4)] == pytest.approx([0.1, 0.2, 0.3, 0.4])


def lengths(stages: tuple[Schedule, ...]) -> list[tuple[int, bool]]:
    return [(stage.steps, stage.low_resolution) for stage in stages]


def test_the_published_stages() -> None:
    stages = plan_stages(3000, 0.125, warm_up=100 / 3000, low_resolution=2 / 3)
    assert lengths(stages) == [(2000, True), (1000, False)]
    for stage in stages:
        assert stage.rate(99) == pytest.approx(0.125)
        assert stage.rate(49) == pytest.approx(0.0625)
        assert stage.rate(stage.steps - 1) < 1e-5


@pytest.mark.parametrize(
    ("steps", "low_resolution", "expected"),
    [
        (300, 2 / 3, [(200, True), (100, False)]),
        (10, 0.0, [(10, False)]),
        (3, 0.1, [(3, False)]),
        # However few steps there are, the last is at full size.
        (2, 0.99, [(1, True), (1, False)]),
        (1, 0.99, [(1, False)]),
    ],
)
def test_lengths(steps: int, low_resolution: float, expected: list[tuple[int, bool]]) -> None:
    assert lengths(plan_stages(steps, 0.1, warm_up=0.5, low_resolution=low_resolution)) == expected


def test_without_steps_there_is_one_stage_that_takes_none() -> None:
    for low_resolution in (0.0, 0.5):
        stages = plan_stages(0, 0.1, warm_up=0.05, low_resolution=low_resolution)
        assert [(stage.steps, stage.low_resolution) for stage in stages] == [(0, False)]


def test_one_stage_is_the_schedule_alone() -> None:
    (stage,) = plan_stages(250, 0.05, warm_up=0.05, low_resolution=0, early_stopping=0.1)
    assert stage == Schedule(250, 0.05, warm_up=0.05, early_stopping=0.1)


def test_the_last_of_all_steps_are_averaged() -> None:
    half, full = plan_stages(100, 0.05, warm_up=0.05, low_resolution=0.6, average=0.2)
    assert [step for step in range(1, 61) if half.averages(step)] == []
    assert [step for step in range(1, 41) if full.averages(step)] == list(range(21, 41))
    # No more than those at full size.
    _, short = plan_stages(100, 0.05, warm_up=0.05, low_resolution=0.9, average=0.5)
    assert all(short.averages(step) for step in range(1, 11))


def test_every_stage_may_stop_early() -> None:
    stages = plan_stages(100, 0.05, warm_up=0.05, low_resolution=0.5, early_stopping=0.02)
    assert [stage.early_stopping for stage in stages] == [0.02, 0.02]
