"""Names of vertical lines in plots, which no line crosses."""

import itertools

import numpy as np
import pytest

from arcinvert.output.mark_labels import GAP, place_names


def crossings(lines: list[float], widths: list[float], low: float, high: float) -> int:
    places = place_names(lines, widths, low, high)
    assert sorted(place.row for place in places) == list(range(len(lines)))
    count = 0
    for one, other in itertools.permutations(range(len(lines)), 2):
        line, width = lines[one], widths[one]
        left = line + GAP if places[one].side == "start" else line - GAP - width
        # A line ends at the row of its own name.
        count += places[other].row > places[one].row and left <= lines[other] <= left + width
    return count


def test_names_stand_to_the_right_of_their_lines_where_they_fit() -> None:
    # Worked by hand: the right line is lower, so that the left line's name can stand above it.
    places = place_names([100, 120], [60, 70], 0, 400)
    assert [(place.row, place.side) for place in places] == [(1, "start"), (0, "start")]
    # At the right edge names stand to the left, and the left line is lower.
    places = place_names([370, 390], [60, 70], 0, 400)
    assert [(place.row, place.side) for place in places] == [(0, "end"), (1, "end")]
    assert place_names([], [], 0, 400) == []


@pytest.mark.parametrize("seed", range(20))
def test_no_line_crosses_a_name(seed: int) -> None:
    generator = np.random.default_rng(seed)
    lines = generator.uniform(100, 400, 4).tolist()
    assert crossings(lines, generator.uniform(40, 90, 4).tolist(), 10, 410) == 0


def test_many_lines_do_not_cross_names_either() -> None:
    assert crossings([float(place) for place in range(100, 180, 10)], [50.0] * 8, 0, 400) == 0
