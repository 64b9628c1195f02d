"""Templates in tables of text, with commas, semicolons, tabs or spaces between the cells."""

import itertools
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from arcinvert.templates.fields import TRIED, Fields, UnclearFieldsError, Wanted, choose_fields, no_rows
from arcinvert.templates.rows import MAX_BYTES, Block, decoded_blocks, numbers_of
from recognition.errors import InputWarning
from recognition.files import printable, shorten
from recognition.identity_names import means_identity
from recognition.text_records import (
    announced_rows,
    check_announced,
    has_header,
    is_list_or_vector,
    names_identities,
    read_records,
)

#: How databases and pandas write that a cell is empty.
_NULLS = ("", "\\N", "NULL", "null", "NA", "N/A", "#N/A", "None")

#: Usual names of a column of templates.
_TEMPLATE = re.compile(
    r"(face[ _]?)?(template|embedding|emb|vector|vec|feature|descriptor|encoding|face|value)s?",
    re.IGNORECASE,
)
#: Bytes of each cell in a message.
_SHOWN = 40


def table_blocks(path: Path, wanted: Wanted) -> Iterator[Block]:
    """Yield the rows of a table.

    Raises:
        UnclearFieldsError: If none of the first rows shows which columns are meant.
        InputError: If word2vec's first line says another number of rows or dimensions.
    """
    first, second = [*itertools.islice(_rows(path), 2), [], []][:2]
    count = announced_rows(path, first, second, wanted.dim)
    header = None if count is not None else _header(first, wanted)
    if header is not None and not _is_certain(header, wanted):
        warnings.warn(
            f"{printable(path)}: its first row, {', '.join(repr(shorten(cell, _SHOWN)) for cell in header)}, "
            "is taken for the names of columns; if it is a person's, write 'identity,template' above it",
            InputWarning,
            stacklevel=2,
        )
    begin = int(header is not None or count is not None)
    width, fields = _columns(path, begin, header, wanted)
    found = 0
    for block in decoded_blocks(
        _cells(path, begin, width, fields), wanted.dim, named=fields.identity is not None
    ):
        found += len(block.templates)
        yield block
    check_announced(path, count, found)


def _rows(path: Path, begin: int = 0) -> Iterator[list[str]]:
    records = read_records(path, "templates", MAX_BYTES, "surrogateescape")
    for _, cells in itertools.islice(records, begin, None):
        yield [cell.strip() for cell in cells]


def _header(cells: list[str], wanted: Wanted) -> list[str] | None:
    """Return the names of columns in a first row; None of another row."""
    if {wanted.template_column, wanted.id_column} & {*cells}:
        return cells
    if not cells or any(is_list_or_vector(cell, wanted.dim) for cell in cells):
        return None
    # A row of an identity without a template is no header.
    return cells if not set(_NULLS) & set(cells[1:]) and has_header(cells, wanted.dim) else None


def _is_certain(header: Sequence[str], wanted: Wanted) -> bool:
    """Return whether a first row can be nothing but names of columns, and no row with a damaged template."""
    if len(header) > wanted.dim or {wanted.template_column, wanted.id_column} & {*header}:
        return True
    return any(names_identities(cell) or _TEMPLATE.fullmatch(cell) for cell in header)


def _columns(path: Path, begin: int, header: Sequence[str] | None, wanted: Wanted) -> tuple[int, Fields]:
    """Return the number of columns, and those that are meant."""
    reason = None
    for cells in itertools.islice(_rows(path, begin), TRIED):
        names = header or [str(place) for place in range(len(cells))]
        if len(cells) == len(names) + 1 and not any(map(means_identity, names)):
            # R names the columns but not that of the rows' names.
            names = ["", *names]
        if len(cells) != len(names):
            continue
        try:
            return len(names), choose_fields(names, cells, wanted)
        except UnclearFieldsError as error:
            reason = reason or error
    raise reason or no_rows()


def _cells(path: Path, begin: int, width: int, fields: Fields) -> Iterator[tuple[object, object]]:
    """Yield the identity and the template of each row, or an error in place of the template."""
    for cells in _rows(path, begin):
        who = None if fields.identity is None or fields.identity >= len(cells) else cells[fields.identity]
        who = None if who == "\\N" else who
        if len(cells) != width:
            yield who, ValueError(f"expected a row of {width} cells, got {len(cells)}")
        elif len(fields.template) == 1:
            cell = cells[fields.template[0]]
            yield who, None if cell in _NULLS else cell
        else:
            yield who, numbers_of([cells[place] for place in fields.template])
