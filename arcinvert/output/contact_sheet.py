"""Contact sheets: rows of pictures with captions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

#: The largest number of identities on a contact sheet, one row each, and of reconstructions in a row.
SHEET_IDENTITIES = 32
SHEET_SAMPLES = 8
#: Sizes in pixels.
_TILE = 224
_GAP = 12
_CAPTION = 62
_HEADER = 46
_FONT = 15
_INK, _QUIET, _PAPER = (25, 25, 30), (95, 95, 105), (250, 250, 248)
#: Okabe and Ito's colour-blind safe green and vermilion.
_PASS, _FAIL = (0, 130, 90), (190, 70, 0)


@dataclass(frozen=True)
class Tile:
    """One picture of a contact sheet.

    Args:
        image: The picture, uint8 HWC; None leaves the place empty.
        lines: Up to three lines below it.
        passed: Colours the first line: green for True, red for False, black for None.
    """

    image: NDArray[np.uint8] | None
    lines: tuple[str, ...]
    passed: bool | None = None


def contact_sheet(title: str, subtitle: str, rows: Sequence[Sequence[Tile]]) -> NDArray[np.uint8]:
    """Return a picture, uint8 HWC, of rows of tiles.

    Args:
        title: The first line.
        subtitle: A paragraph below it.
        rows: The tiles, one row for each identity.
    """
    columns = max(len(row) for row in rows)
    width = max(_GAP + columns * (_TILE + _GAP), 640)
    font, large = ImageFont.load_default(_FONT), ImageFont.load_default(_FONT + 7)
    subtitle_lines = _wrap(subtitle, font, width - 2 * _GAP)
    header = _HEADER + len(subtitle_lines) * (_FONT + 4)
    height = header + len(rows) * (_TILE + _CAPTION + _GAP)
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), _fit(title, large, width - 2 * _GAP), fill=_INK, font=large)
    for number, line in enumerate(subtitle_lines):
        draw.text((_GAP, 42 + number * (_FONT + 4)), line, fill=_QUIET, font=font)
    for row_number, row in enumerate(rows):
        top = header + row_number * (_TILE + _CAPTION + _GAP)
        for column, tile in enumerate(row):
            left = _GAP + column * (_TILE + _GAP)
            _draw_tile(sheet, draw, tile, left, top, font)
    return np.asarray(sheet)


def _draw_tile(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, tile: Tile, left: int, top: int, font: Any
) -> None:
    if tile.image is None:
        draw.rectangle((left, top, left + _TILE - 1, top + _TILE - 1), outline=(205, 205, 205))
        draw.text((left + _TILE / 2, top + _TILE / 2), "no photograph", fill=_QUIET, font=font, anchor="mm")
    else:
        picture = Image.fromarray(tile.image).resize((_TILE, _TILE), Image.Resampling.BICUBIC)
        sheet.paste(picture, (left, top))
    colour = {None: _INK, True: _PASS, False: _FAIL}[tile.passed]
    for number, line in enumerate(tile.lines[:3]):
        place = (left, top + _TILE + 4 + number * (_FONT + 3))
        draw.text(place, _fit(line, font, _TILE), fill=colour if number == 0 else _QUIET, font=font)


def _fit(text: str, font: Any, width: int) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _wrap(text: str, font: Any, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
