"""The contact sheet has its tiles in their places, and no text is cut or written over another."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from arcinvert.output.contact_sheet import TILE, Row, Tile, contact_sheet
from arcinvert.output.verdicts import Badge

COLOURS = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0), (0, 200, 200), (200, 0, 200)]
PASSED = Badge("accepted at 1 in 1,000", 0.001, strictest=True)


def coloured(colour: tuple[int, int, int], *lines: str, badge: Badge | None = None) -> Tile:
    return Tile(np.full((112, 112, 3), colour, dtype=np.uint8), lines, badge)


def row(*tiles: Tile, heading: str = "name", note: str = "") -> Row:
    return Row(heading, note, tiles)


def area(sheet: NDArray[np.uint8], colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Top, left, bottom, right of a colour, which must fill it all."""
    rows, columns = np.nonzero((sheet == colour).all(2))
    box = (int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1)
    assert len(rows) == (box[2] - box[0]) * (box[3] - box[1])
    return box


def ink(part: NDArray[np.uint8]) -> int:
    """Return how many pixels of a part are darker than paper."""
    return int((part.min(axis=-1) < 150).sum())


def test_tiles_stand_in_rows_and_columns() -> None:
    tiles = [coloured(colour, "one", "two", "three") for colour in COLOURS]
    sheet = contact_sheet("title", "paragraph", [row(*tiles[:3]), row(*tiles[3:])])
    assert sheet.dtype == np.uint8
    boxes = [area(sheet, colour) for colour in COLOURS]
    assert TILE >= 224
    assert all(bottom - top == right - left == TILE for top, left, bottom, right in boxes)
    for line in (boxes[:3], boxes[3:]):
        assert len({box[0] for box in line}) == 1
        gaps = [second[1] - first[3] for first, second in itertools.pairwise(line)]
        assert min(gaps) > 0
        assert len(set(gaps)) == 1
    assert [box[1] for box in boxes[:3]] == [box[1] for box in boxes[3:]]
    assert boxes[0][0] > 60
    assert boxes[3][0] - boxes[0][2] > 50
    assert sheet.shape[0] - boxes[3][2] > 50
    assert sheet.shape[1] > boxes[2][3]


def test_rows_of_different_lengths() -> None:
    tiles = [coloured(colour) for colour in COLOURS]
    sheet = contact_sheet("title", "paragraph", [row(tiles[0]), row(*tiles[1:6])])
    first, second = area(sheet, COLOURS[0]), area(sheet, COLOURS[1])
    assert first[1] == second[1]
    assert first[2] < second[0]
    assert area(sheet, COLOURS[5])[3] < sheet.shape[1]


def test_a_missing_picture_is_an_outline() -> None:
    sheet = contact_sheet("t", "p", [row(Tile(None, ()), coloured(COLOURS[1]))])
    top, left, bottom, _ = area(sheet, COLOURS[1])
    place = sheet[top:bottom, left - TILE - 20 : left - 20]
    paper = sheet[-1, -1]
    assert (place[1:-1, 1:-1] == paper).all()
    assert all((edge != paper).all() for edge in (place[0], place[-1], place[:, 0], place[:, -1]))


LONG = "a very long name that goes on and on, " * 5
BROKEN = "W" * 90


@pytest.mark.parametrize("long", [LONG, BROKEN], ids=["words", "one word"])
def test_long_lines_stay_under_their_tile_and_are_whole(long: str) -> None:
    tiles = (coloured(COLOURS[0], "x", long), coloured(COLOURS[1]))
    sheet = contact_sheet(long, long, [row(*tiles, heading=long, note=long)], long)
    _, left, _, right = area(sheet, COLOURS[0])
    paper = sheet[-1, -1]
    assert (sheet[:, -20:] == paper).all(), "nothing reaches the edge"
    footer = contact_sheet("t", "p", [row(*tiles)])
    below = footer[area(footer, COLOURS[0])[2] :]
    assert (below[:, right + 1 : right + 20 + TILE] == paper).all(), "nothing reaches the next tile"
    # The ink of the whole text is there: that of its words one by one in a sheet each.
    short = contact_sheet("t", "p", [row(coloured(COLOURS[0], "x", *long.split()), coloured(COLOURS[1]))])
    start = area(short, COLOURS[0])[2]
    expected = ink(short[start:, left:right])
    assert ink(below[:, left:right]) == pytest.approx(expected, rel=0.02)


def test_badges_differ_by_verdict_in_colour_and_words() -> None:
    badges = (
        PASSED,
        Badge("accepted at 1 in 100", 0.01),
        Badge("not accepted"),
        Badge("not judged", judged=False),
    )
    below = []
    for badge in badges:
        sheet = contact_sheet("t", "p", [row(coloured(COLOURS[0], "line", badge=badge))])
        _, left, bottom, right = area(sheet, COLOURS[0])
        strip = sheet[bottom + 8 : bottom + 36, left:right].reshape(-1, 3)
        values, counts = np.unique(strip, axis=0, return_counts=True)
        below.append(tuple(values[counts.argmax()].tolist()))
        assert (strip == (255, 255, 255)).all(1).any(), "white words"
        assert contrast(below[-1]) >= 5.5
    assert len(set(below)) == 4


def contrast(colour: tuple[int, int, int]) -> float:
    """Return the contrast of white on a colour by WCAG 2.2: relative luminances plus 0.05."""
    linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in np.array(colour) / 255]
    return 1.05 / (0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] + 0.05)


def test_a_tile_with_a_badge_leaves_its_neighbours_text_in_place() -> None:
    plain = contact_sheet("t", "p", [row(coloured(COLOURS[0], "line"), coloured(COLOURS[1], "line"))])
    with_badge = contact_sheet(
        "t", "p", [row(coloured(COLOURS[0], "line"), coloured(COLOURS[1], "line", badge=PASSED))]
    )
    _, left, bottom, right = area(plain, COLOURS[0])
    assert np.array_equal(
        plain[bottom : bottom + 30, left:right], with_badge[bottom : bottom + 30, left:right]
    )
    assert len(with_badge) > len(plain)


def test_letters_beyond_ascii_are_drawn() -> None:
    sheets = [contact_sheet(letter, "p", [row(coloured(COLOURS[0]))]) for letter in ("é", "Ж", "ő")]
    missing = contact_sheet("\uffff", "p", [row(coloured(COLOURS[0]))])
    assert not any(np.array_equal(sheet, missing) for sheet in sheets)
