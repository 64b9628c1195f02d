"""Class centres in text, as numpy, pandas, spreadsheets, word2vec and databases of vectors write it."""

import contextlib
import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recognition.errors import InputError
from recognition.files import parse_json, printable
from recognition.json_records import read_document, record_name
from recognition.loading.centre_json import centres_of_json, check_all_named
from recognition.text_records import announced_rows, check_announced, has_header, is_number, read_records
from recognition.vectors import decode_vector

#: Endings of tables of text.
TEXTS = (".csv", ".tsv", ".txt", ".vec", ".json", ".jsonl", ".ndjson")
#: Most characters of a cell in a message.
_SHOWN = 40


def read_text_centres(path: Path, dim: int) -> tuple[Tensor, list[str] | None]:
    """Return the vectors of a text file, one a line, and the names of the classes if it has them.

    Args:
        path: A table of `dim` columns of numbers, or of one column of vectors, see `decode_vector`, with or
            without a first column of names or numbers of the classes; a table of `dim` rows of numbers; text
            of word2vec; JSON, see `centres_of_json`, or an object of it on each line. A first row of names of
            columns, and comments, see `read_records`, are left out.
        dim: Number of dimensions of an embedding.

    Raises:
        InputError: If a row has another number of cells, or a cell is no number or vector.
    """
    document = read_document(path, "class centres")
    if document is not None:
        return centres_of_json(path, document, dim)
    records = read_records(path, "centres")
    begin = list(itertools.islice(records, 2))
    if not begin:
        raise _empty(path)
    width = len(begin[0][1])
    # Beside a column of names, pandas writes its index, under an empty name.
    skipped = int(width in (3, dim + 2) and width != dim + 1 and not begin[0][1][0].strip())
    begin = [(number, cells[skipped:]) for number, cells in begin]
    count = announced_rows(path, begin[0][1], begin[1][1] if len(begin) > 1 else (), dim)
    first = begin[0 if count is None else 1][1]
    if count is not None or has_header(begin[0][1], dim):
        _, *begin = begin
    left = ((number, cells[skipped:]) for number, cells in records)
    names, rows = _read_rows(path, itertools.chain(begin, left), len(first), dim)
    if not rows:
        raise _empty(path)
    check_announced(path, count, len(rows))
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


def _read_rows(
    path: Path, records: Iterator[tuple[int, list[str]]], width: int, dim: int
) -> tuple[list[str], list[Tensor]]:
    """Return the names of the classes, if they have any, and their vectors.

    Raises:
        InputError: If a row has not `width` cells, or a cell is no number or vector.
    """
    names: list[str] = []
    rows: list[Tensor] = []
    vectors = None
    for number, cells in records:
        if len(cells) != width:
            raise InputError(
                f"{printable(path)}: expected {width} cells in line {number}, as in the first one, got "
                f"{len(cells)}; write the table anew"
            )
        if vectors is None:
            vectors = width <= 2 and not is_number(cells[-1])
        if width == (2 if vectors else dim + 1):
            names.append(_name(cells.pop(0), number, path))
        if vectors:
            name, row = _vector(cells[0], number, path, dim)
            names += [] if name is None else [name]
        else:
            row = _numbers(cells, number, path, dim)
        rows.append(row)
    check_all_named(path, len(names), len(rows))
    return names, rows


def _name(cell: str, number: int, path: Path) -> str:
    name = cell.strip()
    if not name or (is_number(name) and not name.isdecimal()):
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
        wrong = next(cell for cell in cells if not is_number(cell))
        raise InputError(
            f"{printable(path)}: expected numbers in line {number}, got {wrong[:_SHOWN]!r}; give one row of "
            f"{dim} numbers with decimal points for each class, after its name if it has one"
        ) from None
    with np.errstate(over="ignore"):
        return torch.from_numpy(np.array(values, np.float32))


def _vector(cell: str, number: int, path: Path, dim: int) -> tuple[str | None, Tensor]:
    """Return the vector in a cell, and its name if it is in an object of JSON with one."""
    value: object = cell
    if cell.startswith("{"):
        # Otherwise PostgreSQL's array.
        with contextlib.suppress(ValueError):
            value = parse_json(cell)
    try:
        vector = decode_vector(value, dim)
    except ValueError as error:
        raise InputError(
            f"{printable(path)}: line {number}: {error}; give one row of {dim} numbers for each class, after "
            "its name if it has one"
        ) from None
    with np.errstate(over="ignore"):
        row = torch.from_numpy(vector.astype(np.float32))
    return record_name(value) if isinstance(value, dict) else None, row


def _empty(path: Path) -> InputError:
    return InputError(f"{printable(path)}: expected class centres, got no row of numbers; check the file")
