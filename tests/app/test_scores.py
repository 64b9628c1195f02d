"""Verdicts as sentences and plots."""

import re
from typing import Any

import numpy as np
import pytest

from app.scores import attacked_similarity, decisive, meaning, similarity_plot
from arcinvert.evaluation.calibration import Histogram, Threshold, histogram, thresholds

LENIENT, STRICT = thresholds()


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


def test_sentences() -> None:
    accepted = meaning(verdict(type_2=0.5, floor_type_2=0.2), STRICT)
    assert "takes this picture and another photograph of the person for the same person" in accepted
    assert "1 in 1,000 pairs" in accepted
    near = meaning(verdict(type_1=0.42, floor_type_1=0.2), STRICT)
    assert "does not take this picture and the photograph that the template came from" in near
    assert near.endswith("The picture is closer to the person than the mean face is.")
    assert "takes this picture" in meaning(verdict(type_1=0.42, floor_type_1=0.2), LENIENT)
    assert "no closer" in meaning(verdict(type_1=0.1, floor_type_1=0.2), LENIENT)
    assert "no photograph of the person to compare with" in meaning(verdict(), LENIENT)
    assert meaning(verdict(face_detected=False), LENIENT).endswith(
        "The detector finds no face in the picture."
    )


def test_marks_are_drawn_at_their_similarities() -> None:
    shares = np.array([0.0, 1.0])
    known = Histogram(np.array([-0.1, 0.4, 0.9]), shares[::-1], shares)
    threshold = Threshold(0.01, 0.4, 0.35, 0.45, 0.01, 0.9, 100, 50, 10)
    plot = similarity_plot(verdict(type_2=0.9, floor_type_2=-0.1, ceiling=0.65), threshold, known)
    # The axis goes from -0.1 at 10 to 0.9 at 370 pixels.
    dashed = [float(x) for x in re.findall(r'x1="([\d.]+)" x2="\1" [^>]*stroke-dasharray', plot)]
    assert dashed == [190.0, 10.0, 280.0]
    assert '<path d="M363.0,' in plot
    assert "this reconstruction at 0.90, threshold 0.40: 1 in 100 pass, floor -0.10" in plot


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


def test_the_attacked_networks_similarity_has_its_own_line() -> None:
    assert 'value="0.987"' in attacked_similarity(0.987)
    assert "<b>0.99</b>" in attacked_similarity(0.987)
    # A meter has no negative values, but the text keeps the sign.
    assert 'value="0.000"' in attacked_similarity(-0.2)
    assert "<b>-0.20</b>" in attacked_similarity(-0.2)
