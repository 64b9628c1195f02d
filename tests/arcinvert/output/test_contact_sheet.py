"""The contact sheet has its tiles in their places, and its lines where they belong."""

import itertools

import numpy as np
from numpy.typing import NDArray

from arcinvert.output.contact_sheet import Tile, contact_sheet

COLOURS = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0), (0, 200, 200), (200, 0, 200)]


def coloured(colour: tuple[int, int, int], *lines: str, passed: bool | None = None) -> Tile:
    return Tile(np.full((112, 112, 3), colour, dtype=np.uint8), lines, passed)


def area(sheet: NDArray[np.uint8], colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of a colour, which must fill it all."""
    rows, columns = np.nonzero((sheet == colour).all(2))
    box = (int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
    assert len(rows) == (box[2] - box[0]) * (box[3] - box[1])
    return box


def test_tiles_stand_in_rows_and_columns() -> None:
    tiles = [coloured(colour, "one", "two", "three") for colour in COLOURS]
    sheet = contact_sheet("title", "subtitle", [tiles[:3], tiles[3:]])
    assert sheet.dtype == np.uint8
    boxes = [area(sheet, colour) for colour in COLOURS]
    assert all(bottom - top == right - left == 224 for top, left, bottom, right in boxes)
    for row in (boxes[:3], boxes[3:]):
        assert len({box[0] for box in row}) == 1
        gaps = [second[1] - first[3] for first, second in itertools.pairwise(row)]
        assert min(gaps) > 0
        assert len(set(gaps)) == 1
    assert [box[1] for box in boxes[:3]] == [box[1] for box in boxes[3:]]
    # Room for the header and for three lines below each row.
    assert boxes[0][0] > 60
    assert boxes[3][0] - boxes[0][2] > 50
    assert sheet.shape[0] - boxes[3][2] > 50
    assert sheet.shape[1] > boxes[2][3]


def test_rows_of_different_lengths() -> None:
    tiles = [coloured(colour) for colour in COLOURS]
    sheet = contact_sheet("title", "subtitle", [tiles[:1], tiles[1:6]])
    first, second = area(sheet, COLOURS[0]), area(sheet, COLOURS[1])
    assert first[1] == second[1]
    assert first[2] < second[0]
    assert area(sheet, COLOURS[5])[3] < sheet.shape[1]


def test_a_narrow_sheet_still_holds_its_header() -> None:
    sheet = contact_sheet("title", "subtitle", [[coloured(COLOURS[0])]])
    assert sheet.shape[1] == 640


def test_a_missing_picture_is_an_outline() -> None:
    with_picture = contact_sheet("t", "s", [[coloured((255, 255, 255)), coloured(COLOURS[1])]])
    without = contact_sheet("t", "s", [[Tile(None, ()), coloured(COLOURS[1])]])
    assert without.shape == with_picture.shape
    top, _, bottom, right = area(without, COLOURS[1])
    left_tile = without[top:bottom, 12 : 12 + 224]
    assert len(np.unique(left_tile.reshape(-1, 3), axis=0)) > 2
    assert area(with_picture, COLOURS[1]) == (top, right - 224, bottom, right)


def test_long_lines_stay_under_their_tile() -> None:
    long = "a very long name that goes on and on, " * 5
    sheet = contact_sheet(long, long * 5, [[coloured(COLOURS[0], long, long, long), coloured(COLOURS[1])]])
    _, _, bottom, right = area(sheet, COLOURS[0])
    next_left = area(sheet, COLOURS[1])[1]
    assert (sheet[bottom:, right + 1 : next_left + 224] == sheet[-1, -1]).all()
    assert (sheet[:, -2:] == sheet[-1, -1]).all()
    assert not (sheet[bottom:, :right] == sheet[-1, -1]).all()


def test_passed_and_failed_look_different() -> None:
    sheets = [
        contact_sheet("t", "s", [[coloured(COLOURS[0], "line", passed=passed)]])
        for passed in (None, True, False)
    ]
    below = area(sheets[0], COLOURS[0])[2]
    colours = [set(map(tuple, sheet[below:].reshape(-1, 3).tolist())) for sheet in sheets]
    assert (0, 130, 90) in colours[1] - colours[0] - colours[2]
    assert (190, 70, 0) in colours[2] - colours[0] - colours[1]
    assert np.array_equal(sheets[0][:below], sheets[1][:below])


def test_no_line_of_a_long_heading_is_cut() -> None:
    tile = Tile(np.zeros((112, 112, 3), np.uint8), ("zero",))
    short = contact_sheet("title", "word", [[tile]])
    long = contact_sheet("title", "word " * 100, [[tile]])
    added = len(long) - len(short)
    assert added >= 4 * 15
    # Every line has ink, and the tile is below them all.
    lines = (long[46 : 46 + added] < 128).any((1, 2))
    assert lines[:15].any()
    assert lines[-15:].any()
    assert np.array_equal(long[-200:], short[-200:])
