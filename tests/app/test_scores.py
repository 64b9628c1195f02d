"""Similarities among pairs of real photographs."""

import re
from typing import Any

import numpy as np
import pytest

from app.scores import decisive, mark_rows, similarity_plot
from arcinvert.evaluation.calibration import Histogram, Threshold, histogram, thresholds


def verdict(**given: Any) -> dict[str, Any]:
    return {
        "type_1": None,
        "type_2": None,
        "accepted": None,
        "floor_type_1": None,
        "floor_type_2": None,
        "ceiling": None,
        "face_detected": True,
    } | given


def test_type_2_decides_if_there_is_one() -> None:
    both = verdict(type_1=0.9, floor_type_1=0.1, type_2=0.5, floor_type_2=0.2)
    assert decisive(both) == (0.5, 0.2)
    assert decisive(verdict(type_1=0.9, floor_type_1=0.1)) == (0.9, 0.1)


def test_marks_are_drawn_at_their_similarities() -> None:
    shares = np.array([0.0, 1.0])
    known = Histogram(np.array([-0.1, 0.4, 0.9]), shares[::-1], shares)
    threshold = Threshold(0.01, 0.4, 0.35, 0.45, 0.01, 0.9, 100, 50, 10)
    both = [verdict(type_2=0.9, floor_type_2=-0.1, ceiling=0.65), verdict(type_2=0.4, floor_type_2=-0.1)]
    plot = similarity_plot(both, [threshold], known)
    # The axis goes from -0.1 at 10 to 0.9 at 410 pixels.
    dashed = [float(x) for x in re.findall(r'x1="([\d.]+)" x2="\1" [^>]*stroke-dasharray', plot)]
    assert dashed == [210.0, 10.0, 310.0]
    assert re.findall(r'<path d="M([\d.]+),', plot) == ["405.0", "205.0"]
    assert "reconstruction 1 at 0.90, reconstruction 2 at 0.40, 1 in 100 strangers pass: 0.40" in plot
    assert "floor, the mean face: -0.10" in plot


def test_a_plot_without_a_photograph_to_compare_with() -> None:
    plot = similarity_plot([verdict()], thresholds(), histogram())
    assert "no photograph to compare with, 1 in 100" in plot
    assert "<path" not in plot


def test_numbers_do_not_cover_each_other() -> None:
    # Worked by hand: 10 and 20 are closer than a number is wide, 100 is not.
    assert mark_rows([10, 20, 100, None, 15, 35]) == [0, 1, 0, None, 2, 0]


def test_the_shipped_distributions() -> None:
    known = histogram()
    middles = (known.edges[:-1] + known.edges[1:]) / 2
    for shares in (known.nonmated, known.mated):
        assert shares.sum() == pytest.approx(1, abs=1e-5)
        assert len(shares) == len(known.edges) - 1
    # The thresholds were made of the same pairs: the tails agree, to a bin.
    for threshold in thresholds():
        for shares, tail in ((known.nonmated, threshold.realised_fmr), (known.mated, threshold.tar)):
            above = [shares[middles > threshold.similarity + shift].sum() for shift in (0.02, -0.02)]
            assert above[0] <= tail <= above[1]
