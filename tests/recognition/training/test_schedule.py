from dataclasses import replace

import pytest

from recognition.training.schedule import learning_rate
from tests.recognition.training.helpers import OPTIONS


@pytest.mark.parametrize(("schedule", "half"), [("cosine", 0.5), ("polynomial", 0.25)])
def test_the_learning_rate_rises_and_falls(schedule, half):
    options = replace(OPTIONS, learning_rate=0.2, schedule=schedule, warm_up=0.1)
    rates = [learning_rate(options, step, 110) for step in range(110)]
    assert rates[:11] == pytest.approx([0.2 * (n + 1) / 11 for n in range(11)])
    assert rates[11] == pytest.approx(0.2)
    assert learning_rate(options, 60, 109) == pytest.approx(0.2 * half, rel=0.05)
    assert rates[11:] == sorted(rates[11:], reverse=True)
    assert rates[-1] < 0.002
