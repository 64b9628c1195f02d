"""Margins and boundaries against what is known of them by hand."""

import math

import numpy as np
import pytest
import torch

from app.learn import MARGINS, Margin, boundary, probabilities, target_logits
from recognition.errors import InputError
from recognition.heads.margins import arcface_logits

ANGLES = np.linspace(0, 180, 181)


@pytest.mark.parametrize("name", MARGINS)
def test_margins_are_the_combined_formula_below_half_a_turn(name: str) -> None:
    margin = MARGINS[name]
    inside = [angle for angle in ANGLES if margin.m1 * math.radians(angle) + margin.m2 < math.pi - 0.01]
    expected = [16 * (math.cos(margin.m1 * math.radians(angle) + margin.m2) - margin.m3) for angle in inside]
    # At angle 0 the cosine is kept a hair below 1.
    assert target_logits(margin, np.array(inside), 16) == pytest.approx(expected, abs=0.04)


@pytest.mark.parametrize("name", MARGINS)
def test_a_larger_angle_never_pays(name: str) -> None:
    assert (np.diff(target_logits(MARGINS[name], ANGLES, 1)) <= 1e-9).all()


def test_arcface_is_the_head_that_trains() -> None:
    cosines = torch.linspace(-1, 1, 21, dtype=torch.float64)[:, None]
    expected = arcface_logits(cosines, torch.zeros(21, dtype=torch.long), scale=1, margin=0.5)
    assert torch.equal(Margin(m2=0.5)(cosines), expected)


def test_gradients_of_the_angle() -> None:
    cosines = torch.linspace(-0.95, 0.95, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Margin(1.35, 0.1, 0.2), cosines)


def test_boundaries_by_hand() -> None:
    assert boundary(Margin(), 90) == pytest.approx(45, abs=0.02)
    # cos(t + m) = cos(b - t) at t = (b - m) / 2.
    assert boundary(Margin(m2=0.5), 90) == pytest.approx((90 - math.degrees(0.5)) / 2, abs=0.02)
    # cos(1.35 t) = cos(b - t) at t = b / 2.35.
    assert boundary(Margin(m1=1.35), 90) == pytest.approx(90 / 2.35, abs=0.02)
    # cos(45) > 1 - 0.35: not even the centre itself is accepted.
    assert boundary(Margin(m3=0.35), 45) == 0


def test_probabilities_cross_one_half_at_the_boundary() -> None:
    margin = Margin(m2=0.3)
    edge = boundary(margin, 80)
    for scale in (4.0, 64.0):
        before, at, after = probabilities(margin, np.array([edge - 5, edge, edge + 5]), 80, scale)
        assert before > 0.5 > after
        assert at == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"m1": 0.4}, "m₁: expected 0.5 to 4, got 0.4"),
        ({"m2": 1.6}, "m₂: expected 0 to 1.571"),
        ({"m3": -0.1}, "m₃: expected 0 to 1"),
        ({"m3": math.nan}, "m₃: expected"),
    ],
)
def test_margins_out_of_range(given: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Margin(**given)
