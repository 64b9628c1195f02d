"""Rows of templates in one value of JSON, as databases of vectors, pandas and other programs write it."""

import itertools
from typing import Any

from arcinvert.templates.fields import UnclearFieldsError
from recognition.files import shorten
from recognition.identity_names import means_identity
from recognition.json_records import TRIED, leaves, wrapped_records
from recognition.vectors import is_vector

#: Bytes of a key in a message.
_SHOWN = 60
#: A row's identity, None where it is in the row or nowhere, and the row.
Row = tuple[str | None, Any]


def rows_of_document(value: Any, dim: int, *, named: bool) -> list[Row]:
    """Return the rows of a value of JSON.

    Args:
        value: A list of records or templates, with or without objects around it; one record; an object of
            lists of one length, such as identities and templates; pandas' object of columns; an object of
            templates, of lists of them, or of records, by identity.
        dim: Dimensions of a template.
        named: Whether identities are needed.

    Raises:
        UnclearFieldsError: If several templates have nothing but one key in common.
    """
    if isinstance(value, list):
        return [(None, value)] if is_vector(value, dim) else [(None, one) for one in value]
    if not isinstance(value, dict) or _is_record(value, dim):
        return [(None, value)]
    records = _of_columns(value, dim) or _of_indexed_columns(value) or wrapped_records(value, dim)
    if records is not None:
        return [(None, record) for record in records]
    return _by_identity(value, dim, named=named) or [(None, value)]


def _is_record(value: dict[str, Any], dim: int) -> bool:
    """Return whether an object is one row: it has one template, and an identity."""
    vectors = (keys for keys, part in leaves(value) if is_vector(part, dim))
    if len(list(itertools.islice(vectors, 2))) != 1:
        return False
    return any(type(part) in (str, int) and means_identity(keys[-1]) for keys, part in leaves(value) if keys)


def _of_columns(value: dict[str, Any], dim: int) -> list[Any] | None:
    """Return the records of an object of lists, one of them of templates; None of another object."""
    lists = {key: one for key, one in value.items() if isinstance(one, list)}
    matrices = [key for key, one in lists.items() if _has_vectors(one, dim)]
    if len(matrices) != 1 or any(
        # Numbers of as many people as a template has dimensions are none.
        is_vector(one, dim)
        for key, one in value.items()
        if key != matrices[0] and not means_identity(key)
    ):
        return None
    count = len(lists[matrices[0]])
    columns = {key: one for key, one in lists.items() if len(one) == count}
    if len(columns) == 1:
        return None
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _of_indexed_columns(value: dict[str, Any]) -> list[Any] | None:
    """Return the records of an object of columns, as `DataFrame.to_json` writes it; None of another."""
    columns = list(value.values())
    if len(columns) < 2 or not all(isinstance(column, dict) for column in columns):
        return None
    places = [str(number) for number in range(len(columns[0]))]
    if not places or any(list(column) != places for column in columns):
        return None
    return [{key: column[place] for key, column in value.items()} for place in places]


def _by_identity(value: dict[str, Any], dim: int, *, named: bool) -> list[Row]:
    """Return the rows of an object of templates by identity, or of the one such object in it."""
    held = [value, *(one for one in value.values() if isinstance(one, dict))]
    mapping, *others = [one for one in held if any(_rows(part, dim) for part in one.values())] or [{}]
    if others and mapping is not value:
        return []
    rows = [(key, row) for key, part in mapping.items() for row in _rows(part, dim) or [part]]
    if named and len(mapping) == 1 < len(rows):
        (key,) = mapping
        raise UnclearFieldsError(
            f"expected identities beside the templates, got {shorten(key, _SHOWN)!r} alone; give them in a "
            "text file with --ids"
        )
    records = [row for _, row in rows if isinstance(row, dict)]
    if len(records) == len(rows) and all(key.isdecimal() for key in mapping):
        own = any(means_identity(keys[-1]) for record in records[:1] for keys, _ in leaves(record) if keys)
        # The keys are but the numbers of the rows.
        return [(None, record) for record in records] if own else rows
    return rows


def _rows(value: Any, dim: int) -> list[Any]:
    """Return the rows of one identity: a vector, a record, or several; none if it has no template."""
    if is_vector(value, dim):
        return [value]
    return value if isinstance(value, list) and _has_vectors(value, dim, records=True) else []


def _has_vectors(value: list[Any], dim: int, *, records: bool = False) -> bool:
    """Return whether a list has vectors, or records of them."""
    return any(is_vector(one, dim) for one in value[:TRIED] if records or not isinstance(one, dict))
