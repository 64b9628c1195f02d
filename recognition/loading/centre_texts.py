"""Class centres in tables of text, as `numpy.savetxt`, pandas and spreadsheets write them."""

import csv
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recognition.errors import InputError, one_line
from recognition.files import MAX_WEIGHTS, open_regular, printable

#: Endings of tables of text.
TEXTS = (".csv", ".tsv", ".txt")
#: Most characters of a line: of a hundred thousand classes and more.
_MAX_LINE = 16 << 20
#: What separates cells; the first one in the first line is taken, and white space where there is none.
_SEPARATORS = "\t;,"
#: Most characters of a cell in a message, and digits of the number of a column.
_SHOWN, _DIGITS = 40, 9


def read_text_centres(path: Path, dim: int) -> tuple[Tensor, list[str] | None]:
    """Return the numbers of a table of text, one row a line, and the first column where it names the rows.

    Args:
        path: A table of `dim` columns, with or without a first column of names or numbers of the classes, or
            of `dim` rows. A first row of names of columns, and lines that begin with `#`, are left out.
        dim: Number of dimensions of an embedding.

    Raises:
        InputError: If a row has another number of cells, or a cell is no number.
    """
    lines = _lines(path)
    first = next(lines, None)
    if first is None:
        raise _empty(path)
    width = len(first[1])
    names: list[str] = []
    rows: list[Tensor] = []
    for number, cells in lines if _is_header(first[1]) else itertools.chain([first], lines):
        if len(cells) != width:
            raise InputError(
                f"{printable(path)}: expected {width} cells in line {number}, as in the first one, got "
                f"{len(cells)}; write the table anew"
            )
        if width == dim + 1:
            names.append(_name(cells.pop(0), number, path))
        rows.append(_numbers(cells, number, path, dim))
    if not rows:
        raise _empty(path)
    return torch.stack(rows), names or None


def in_order_of_numbers(path: Path, rows: Tensor, names: Sequence[str]) -> tuple[Tensor, list[str] | None]:
    """Return centres with their names, or in the order of their numbers where these are their names.

    Args:
        path: The file's name in error messages.
        rows: One centre of each class; the first axis is the classes'.
        names: The class of each row: names, or all numbers from 0.

    Raises:
        InputError: If a class has several rows.
    """
    if len(set(names)) < len(names):
        ((twice, _),) = Counter(names).most_common(1)
        raise InputError(
            f"{printable(path)}: expected one row for each class, got several of {twice[:40]!r}; give their "
            "mean, or a table without names and --subcentres K"
        )
    numbers = [int(name) if re.fullmatch(r"\d{1,9}", name) else -1 for name in names]
    if sorted(numbers) != list(range(len(names))):
        return rows, list(names)
    return rows[torch.tensor(numbers).argsort()], None


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of the lines that have any, with the lines' numbers from 1."""
    separator: str | None = None
    try:
        with io.TextIOWrapper(
            open_regular(path, "a table of centres", MAX_WEIGHTS), encoding="utf-8-sig"
        ) as file:
            for number in itertools.count(1):
                line = file.readline(_MAX_LINE)
                if not line:
                    return
                if len(line) == _MAX_LINE:
                    raise InputError(
                        f"{printable(path)}: expected lines of at most {_MAX_LINE:,} characters; give .npy"
                    )
                line = line.strip(" \r\n")
                if not line or line.startswith("#"):
                    continue
                if separator is None:
                    separator = next((one for one in _SEPARATORS if one in line), " ")
                cells = line.split() if separator == " " else next(csv.reader([line], delimiter=separator))
                yield number, cells
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{printable(path)}: expected a table of text in UTF-8, got something else ({one_line(error)})"
        ) from None


def _is_header(cells: Sequence[str]) -> bool:
    """Return whether a first row has names of columns: words, or the numbers that pandas gives columns."""
    first, *rest = [cell.strip() for cell in cells]
    if not any(map(_is_number, rest or [first])):
        return True
    if not rest or not rest[0].isdecimal():
        return False
    begin = int(rest[0][:_DIGITS])
    counted = rest == [str(number) for number in range(begin, begin + len(rest))]
    return counted and begin <= 2 and (not _is_number(first) or first == str(begin - 1))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _name(cell: str, number: int, path: Path) -> str:
    name = cell.strip()
    if not name or (_is_number(name) and not name.isdecimal()):
        raise InputError(
            f"{printable(path)}: expected the class of line {number} in its first cell, before its numbers, "
            f"got {name[:_SHOWN]!r}; give a name or a number from 0, or the numbers alone"
        )
    return name


def _numbers(cells: Sequence[str], number: int, path: Path, dim: int) -> Tensor:
    try:
        # Python takes 1_000 for a number.
        values = [float(cell.replace("_", "?")) for cell in cells]
    except ValueError:
        wrong = next(cell for cell in cells if not _is_number(cell))
        raise InputError(
            f"{printable(path)}: expected numbers in line {number}, got {wrong[:_SHOWN]!r}; give one row of "
            f"{dim} numbers with decimal points for each class, after its name if it has one"
        ) from None
    with np.errstate(over="ignore"):
        return torch.from_numpy(np.array(values, np.float32))


def _empty(path: Path) -> InputError:
    return InputError(f"{printable(path)}: expected class centres, got no row of numbers; check the file")
