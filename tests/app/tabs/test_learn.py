"""Texts and plots of the Learn tab."""

import re

import pytest

from app.learn import MARGINS, Margin
from app.tabs.learn import curves, decision
from arcinvert import InputError


def test_texts_follow_the_margin() -> None:
    assert "at scale 16" in curves(MARGINS["ArcFace, m₂ = 0.5"], 16)
    assert "up to 30.7 degrees" in decision(Margin(m2=0.5), 16, 90)
    assert "0.0 degrees in the middle" in decision(Margin(), 16, 90)


def lowest_tick(html: str) -> float:
    return min(float(tick) for tick in re.findall(r'text-anchor="end">(-?[\d.]+)</text>', html))


def test_the_axis_reaches_the_lowest_curve() -> None:
    # cos(4 theta) continued over four half turns ends at 1 - 8 = -7.
    html = curves(Margin(m1=4), 10)
    assert lowest_tick(html) <= -50
    first = re.search(r'<polyline points="([^"]+)"', html)
    assert first is not None
    heights = [float(point.split(",")[1]) for point in first[1].split()]
    # The curve falls up to its end: nothing is cut off.
    assert heights[-1] == max(heights)
    assert heights[-1] > heights[-20]


@pytest.mark.parametrize(("scale", "between"), [(0, 90), (16, 0), (65, 90), (16, 181)])
def test_sliders_out_of_range(scale: float, between: float) -> None:
    with pytest.raises(InputError, match="Sliders: expected a scale from 1 to 64"):
        decision(Margin(), scale, between)
