"""Contact sheets: rows of large pictures with verdicts, each with a heading; no text is ever cut."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from arcinvert.output.verdicts import Badge

#: The largest number of identities on a contact sheet, one row each, and of reconstructions in a row.
SHEET_IDENTITIES = 32
SHEET_SAMPLES = 8
#: The side of a picture, pixels: recognisers take 112, which is too small to look at.
TILE = 256
#: The smallest width of a sheet, in tiles, so that its text has room.
_FEWEST = 3
#: Sizes in pixels.
_MARGIN, _GAP, _BADGE, _CORNER = 28, 20, 28, 6
_TITLE, _HEADING, _TEXT = 26, 19, 15
_INK, _QUIET, _PAPER, _LINE = (25, 25, 30), (85, 85, 95), (252, 252, 250), (205, 205, 205)
#: Dark shades of Okabe and Ito's green, blue and vermilion, which colour-blind people tell apart; white text
#: has a contrast of at least 5.5 on each (WCAG asks for 4.5).
_STRICT, _LOOSE, _REJECTED, _UNKNOWN = (0, 110, 75), (0, 90, 160), (175, 60, 0), (95, 95, 105)

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Tile:
    """One picture of a contact sheet.

    Args:
        image: The picture, uint8 HWC; None leaves the place empty.
        lines: The lines below it, the first in bold; long ones are wrapped.
        badge: The judge's verdict; None for a picture that is not judged.
    """

    image: NDArray[np.uint8] | None
    lines: tuple[str, ...]
    badge: Badge | None = None


@dataclass(frozen=True)
class Row:
    """The pictures of one identity.

    Args:
        heading: The name.
        note: More about it, after the name.
        tiles: The pictures from left to right.
    """

    heading: str
    note: str
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class _Line:
    """A line of text in its place."""

    text: str
    font: ImageFont.FreeTypeFont
    colour: Colour
    height: int


def contact_sheet(title: str, paragraph: str, rows: Sequence[Row], footer: str = "") -> NDArray[np.uint8]:
    """Return a picture, uint8 HWC, of rows of tiles.

    Args:
        title: The first line.
        paragraph: What the pictures show, below it.
        rows: The tiles, one row for each identity.
        footer: How they were made, at the end.
    """
    columns = max([_FEWEST, *(len(row.tiles) for row in rows)])
    inner = columns * (TILE + _GAP) - _GAP
    header = [*_wrapped(title, _TITLE, inner, bold=True), *_wrapped(paragraph, _TEXT + 1, inner, _QUIET)]
    ends = _wrapped(footer, _TEXT, inner, _QUIET) if footer else []
    blocks = [_Block(row, inner) for row in rows]
    height = 2 * _MARGIN + _height(header) + sum(_GAP + block.height for block in blocks)
    if ends:
        height += _GAP + _height(ends)
    sheet = Image.new("RGB", (inner + 2 * _MARGIN, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = _write(draw, header, _MARGIN, _MARGIN)
    for block in blocks:
        top = block.paint(sheet, draw, top + _GAP)
    _write(draw, ends, _MARGIN, top + _GAP)
    return np.asarray(sheet)


class _Block:
    """A row with its text laid out, so that its height is known before anything is drawn."""

    def __init__(self, row: Row, width: int) -> None:
        self._tiles = row.tiles
        heading = _wrapped(row.heading, _HEADING, width, bold=True)
        self._lines = [*heading, *_wrapped(row.note, _TEXT, width, _QUIET)] if row.note else heading
        self._below = [_below(tile) for tile in row.tiles]
        self._badge = _BADGE + 6 if any(tile.badge for tile in row.tiles) else 0
        text = max((_height(lines) for lines in self._below), default=0)
        self.height = _height(self._lines) + 8 + TILE + 8 + self._badge + text

    def paint(self, sheet: Image.Image, draw: ImageDraw.ImageDraw, top: int) -> int:
        """Draw the row at a height, and return the height of its end."""
        pictures = _write(draw, self._lines, _MARGIN, top) + 8
        for column, (tile, lines) in enumerate(zip(self._tiles, self._below, strict=True)):
            left = _MARGIN + column * (TILE + _GAP)
            _paint_picture(sheet, draw, tile, left, pictures)
            if tile.badge is not None:
                _paint_badge(draw, tile.badge, left, pictures + TILE + 8)
            _write(draw, lines, left, pictures + TILE + 8 + (self._badge if tile.badge else 0))
        return top + self.height


def _below(tile: Tile) -> list[_Line]:
    return [
        line
        for number, text in enumerate(tile.lines)
        for line in _wrapped(text, _TEXT, TILE, _QUIET if number else _INK, bold=number == 0)
    ]


def _paint_picture(sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, left: int, top: int) -> None:
    if tile.image is None:
        draw.rectangle((left, top, left + TILE - 1, top + TILE - 1), outline=_LINE)
        return
    picture = Image.fromarray(tile.image).resize((TILE, TILE), Image.Resampling.LANCZOS)
    sheet.paste(picture, (left, top))


def _paint_badge(draw: ImageDraw.ImageDraw, badge: Badge, left: int, top: int) -> None:
    colour = _REJECTED if badge.judged else _UNKNOWN
    if badge.rate is not None:
        colour = _STRICT if badge.strictest else _LOOSE
    draw.rounded_rectangle((left, top, left + TILE - 1, top + _BADGE - 1), _CORNER, fill=colour)
    place = (left + TILE / 2, top + _BADGE / 2)
    draw.text(place, badge.text, fill=(255, 255, 255), font=_font(_TEXT, bold=True), anchor="mm")


def _write(draw: ImageDraw.ImageDraw, lines: Sequence[_Line], left: int, top: int) -> int:
    """Draw lines below each other, and return the height of their end."""
    for line in lines:
        draw.text((left, top), line.text, fill=line.colour, font=line.font)
        top += line.height
    return top


def _height(lines: Sequence[_Line]) -> int:
    return sum(line.height for line in lines)


def _font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which has Latin, Greek and Cyrillic letters; matplotlib's wheel brings it."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(_fonts() / name), size)


@functools.cache
def _fonts() -> Path:
    """Return the folder of fonts in matplotlib, which takes a third of a second to import and is not."""
    found = find_spec("matplotlib")
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError("matplotlib")
    return Path(found.submodule_search_locations[0], "mpl-data", "fonts", "ttf")


def _wrapped(text: str, size: int, width: int, colour: Colour = _INK, *, bold: bool = False) -> list[_Line]:
    """Return a text as lines that are not wider than `width`; a word that is wider is broken."""
    font = _font(size, bold=bold)
    lines = [""]
    for word in text.split():
        rest = word
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
            continue
        while rest:
            fitting = len(rest)
            while fitting > 1 and font.getlength(rest[:fitting]) > width:
                fitting -= 1
            lines.append(rest[:fitting])
            rest = rest[fitting:]
    height = round(size * 1.4)
    return [_Line(line, font, colour, height) for line in lines if line or len(lines) == 1]
