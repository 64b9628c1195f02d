"""What a run leaves behind: images, a contact sheet, result.json; whole or not at all."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from recognition.errors import InputError

#: The version of result.json's fields; rises when a reader would have to change.
SCHEMA = "arcinvert-result-1"
RESULT_NAME = "result.json"
SHEET_NAME = "sheet.png"

#: The most that a contact sheet shows: a row each, and reconstructions in a row.
SHEET_IDENTITIES = 32
SHEET_SAMPLES = 8
#: Contact sheet, pixels.
_TILE = 224
_GAP = 12
_CAPTION = 62
_HEADER = 46
_FONT = 15
_INK, _QUIET, _PAPER = (25, 25, 30), (95, 95, 105), (250, 250, 248)
#: Okabe and Ito's colour-blind safe green and vermilion.
_PASS, _FAIL = (0, 130, 90), (190, 70, 0)


@contextlib.contextmanager
def output_folder(out: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary folder that becomes `out` at the end; nothing stays after an error.

    An earlier result there is replaced; any other folder with files in it is refused.

    Raises:
        InputError: `out` cannot be written, is a file, or has other files in it.
    """
    out = Path(os.path.realpath(out))
    try:
        if out.exists() and not out.is_dir():
            raise InputError(f"{out}: expected a folder to write to, got a file; choose another --out")
        if out.is_dir() and any(out.iterdir()) and not _is_result(out):
            raise InputError(
                f"{out}: expected a new, an empty or a result's folder, got other files in it; "
                "choose another --out"
            )
        made = [parent for parent in (out.parent, *out.parent.parents) if not parent.exists()]
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); choose another --out") from None
    try:
        yield temporary
        # mkdtemp makes folders private to the user; results get the permissions of any new folder.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        if out.is_dir():
            retired = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=out.parent))
            out.replace(retired)
            try:
                temporary.replace(out)
            except BaseException:
                retired.replace(out)
                raise
            shutil.rmtree(retired)
        else:
            temporary.replace(out)
    except OSError as error:
        raise InputError(
            f"{out}: cannot be written ({error.strerror or error}); choose another --out or free some space"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()


def _is_result(folder: Path) -> bool:
    try:
        content = json.loads((folder / RESULT_NAME).read_text(encoding="utf-8"))
        return str(content["schema"]).startswith("arcinvert-result-")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that any reader takes: no NaN, UTF-8, indented."""
    path.write_text(
        json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )


@dataclass(frozen=True)
class Tile:
    """One picture of the sheet with up to three lines below; `passed` colours the first."""

    image: NDArray[np.uint8] | None
    lines: tuple[str, ...]
    passed: bool | None = None


def contact_sheet(title: str, subtitle: str, rows: Sequence[Sequence[Tile]]) -> NDArray[np.uint8]:
    """All tiles on one uint8 HWC picture, a row an identity."""
    columns = max(len(row) for row in rows)
    width = max(_GAP + columns * (_TILE + _GAP), 640)
    font, large = ImageFont.load_default(_FONT), ImageFont.load_default(_FONT + 7)
    said = _wrap(subtitle, font, width - 2 * _GAP)
    header = _HEADER + len(said) * (_FONT + 4)
    height = header + len(rows) * (_TILE + _CAPTION + _GAP)
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), _fit(title, large, width - 2 * _GAP), fill=_INK, font=large)
    for number, line in enumerate(said):
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
