"""Templates in records of JSON."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from arcinvert.templates.fields import TRIED, UnclearFieldsError, Wanted, choose_fields, no_rows
from arcinvert.templates.rows import MAX_BYTES, Block, decoded_blocks, numbers_of
from recognition.errors import one_line
from recognition.files import parse_json
from recognition.json_records import leaf, leaves
from recognition.text_records import read_lines


def json_lines(path: Path) -> Iterator[tuple[None, Any]]:
    """Yield the value on each line; an error where there is none."""
    for _, line in read_lines(path, "templates", MAX_BYTES, "surrogateescape"):
        try:
            yield None, parse_json(line)
        except ValueError as error:
            yield None, ValueError(f"expected JSON on the line, got something else ({one_line(error)})")


def record_blocks(rows: Callable[[], Iterator[tuple[str | None, Any]]], wanted: Wanted) -> Iterator[Block]:
    """Yield the rows of records.

    Args:
        rows: Returns the records from the beginning, with their names if these are not in them.
        wanted: The fields to look for.

    Raises:
        UnclearFieldsError: If none of the first rows shows which fields are meant.
    """
    reason = None
    for name, record in itertools.islice(rows(), TRIED):
        parts = list(leaves(record))
        sought = wanted if name is None else replace(wanted, id_column=None)
        try:
            fields = choose_fields([".".join(keys) for keys, _ in parts], [one for _, one in parts], sought)
            break
        except UnclearFieldsError as error:
            reason = reason or error
    else:
        raise reason or no_rows()
    template = [parts[place][0] for place in fields.template]
    identity = None if fields.identity is None else parts[fields.identity][0]
    named = wanted.id_column is not None and (identity is not None or name is not None)

    def cells() -> Iterator[tuple[object, object]]:
        for given, record in rows():
            who = given if identity is None else leaf(record, identity)
            if isinstance(record, ValueError):
                yield None, record
            elif len(template) == 1:
                yield who, leaf(record, template[0])
            else:
                yield who, numbers_of([leaf(record, keys) for keys in template])

    yield from decoded_blocks(cells(), wanted.dim, named=named)
