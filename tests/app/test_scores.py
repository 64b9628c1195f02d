"""Similarities among pairs of real photographs."""

import re
from html.parser import HTMLParser
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
    assert re.findall(r'<circle cx="([\d.]+)" cy', plot.partition("<ul")[0]) == ["410.0", "210.0"]
    assert "similarity to the person" in plot
    assert "reconstruction 1 at 0.90, reconstruction 2 at 0.40, 1 in 100 strangers pass: 0.40" in plot
    assert "floor, the mean face: -0.10" in plot


def test_a_plot_without_a_photograph_to_compare_with() -> None:
    plot = similarity_plot([verdict()], thresholds(), histogram())
    assert "no photograph to compare with, 1 in 100" in plot
    assert 'class="number"' not in plot


class Drawn(HTMLParser):
    """The lines and texts of a plot: x, top and bottom of lines, and x, y, anchor and words of texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.dashed: list[tuple[float, float, float]] = []
        self.axes: list[float] = []
        self.texts: list[tuple[float, float, str, str]] = []
        self._text: dict[str, str | None] | None = None
        self.feed(html.partition("<ul")[0])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._text = given if tag == "text" else None
        if tag == "line" and given["x1"] == given["x2"]:
            self.dashed.append((float(given["x1"] or 0), float(given["y1"] or 0), float(given["y2"] or 0)))
        elif tag == "line":
            self.axes.append(float(given["y1"] or 0))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        if self._text:
            x, y, anchor = (self._text[name] or "" for name in ("x", "y", "text-anchor"))
            self.texts.append((float(x), float(y), anchor, data))


@pytest.mark.parametrize(("floor", "ceiling"), [(0.32, 0.58), (0.05, 0.85), (0.38, 0.4), (0.45, 0.47)])
def test_no_line_crosses_a_text(floor: float, ceiling: float) -> None:
    judged = [verdict(type_2=value, floor_type_2=floor, ceiling=ceiling) for value in (0.57, 0.6, 0.6)]
    drawn = Drawn(similarity_plot(judged, thresholds(), histogram()))
    assert len(drawn.dashed) == 4
    (axis,) = drawn.axes
    for x, y, anchor, words in drawn.texts:
        # Numbers of reconstructions have a filled circle behind them.
        if words.isdecimal():
            assert y < axis
            continue
        # The letters of a phone, where they are largest.
        width = len(words) * 15 * 0.55
        left = x - {"start": 0, "middle": width / 2, "end": width}[anchor]
        assert -2 <= left <= 422 - width
        for line, top, bottom in drawn.dashed:
            assert not (left < line < left + width and top < y and bottom > y - 11), words


def test_every_mark_is_explained_beside_the_plot() -> None:
    both = similarity_plot([verdict(type_1=0.5, floor_type_1=0.2, ceiling=0.6)], thresholds(), histogram())
    listed = both.partition("<ul")[2]
    for words in (
        "different people",
        "same person",
        "Thresholds: 1 in 100 or 1 in 1,000",
        "Floor",
        "Ceiling",
    ):
        assert words in listed
    assert "Ceiling" not in similarity_plot([verdict(type_1=0.5)], thresholds(), histogram())


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
