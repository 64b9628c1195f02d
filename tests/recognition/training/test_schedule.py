from dataclasses import replace

import pytest

from recognition.training.schedule import image_size, learning_rate, margin_fraction
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


def test_the_margin_rises_over_the_first_three_tenths_of_the_steps():
    fractions = [margin_fraction(step, 100) for step in range(100)]
    assert fractions[:31] == pytest.approx([step / 30 for step in range(31)])
    assert set(fractions[30:]) == {1.0}


@pytest.mark.parametrize(
    ("epochs", "start", "full", "sizes"),
    [
        (4, 48, 112, [48, 48, 112, 112]),
        (3, 48, 64, [48, 64, 64]),
        (2, 112, 64, [64, 64]),
        (1, 32, 112, [112]),
    ],
)
def test_the_first_half_of_the_epochs_has_the_smaller_images(epochs, start, full, sizes):
    options = replace(OPTIONS, epochs=epochs, start_size=start, image_size=full)
    assert [image_size(options, epoch) for epoch in range(epochs)] == sizes
