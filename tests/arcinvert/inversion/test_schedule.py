"""The learning rate, worked out by hand."""

import math

import pytest

from arcinvert.inversion.schedule import Schedule


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


def test_a_warm_up_that_takes_all_steps() -> None:
    schedule = Schedule(steps=4, learning_rate=0.4, warm_up=1.0)
    assert [schedule.rate(step) for step in range(4)] == pytest.approx([0.1, 0.2, 0.3, 0.4])
