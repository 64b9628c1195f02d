"""Which field of a row, a column of a table or a key of a record, has the template, and which the identity.

A field is taken by its name, or where it is the only one that can be meant; otherwise the file is refused.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from recognition.files import shorten
from recognition.identity_names import means_identity
from recognition.text_records import is_number
from recognition.vectors import is_vector

#: The names that are looked for unless others are given.
TEMPLATE, IDENTITY = "template", "identity"
#: Most fields beside the template.
_OTHERS = 1000
#: Rows of which the first one that shows the fields decides which are meant.
TRIED = 100
#: Most fields that a message lists, and bytes of their names.
_SHOWN, _NAME = 8, 60
#: A number with a decimal comma, and the names that pandas gives its index.
_COMMA, _INDEX = re.compile(r"\s*[+-]?\d+,\d+(e[+-]?\d+)?\s*", re.IGNORECASE), re.compile(r"(Unnamed: \d+)?")


@dataclass(frozen=True)
class Fields:
    """Fields by their places in a row.

    Args:
        template: That of the vector, or those of its numbers.
        identity: That of the identity; None if there is none.
    """

    template: tuple[int, ...]
    identity: int | None


class UnclearFieldsError(Exception):
    """Says what was expected of a row's fields and what it has."""


def no_rows() -> UnclearFieldsError:
    """Return the error of a file without a row."""
    return UnclearFieldsError("expected rows with templates, got none; check the file")


@dataclass(frozen=True)
class Wanted:
    """What is looked for in rows.

    Args:
        dim: Dimensions of a template.
        template_column: The name of the template's field, or of one around it. One that is not the usual name
            must be there.
        id_column: The name of the identity's field, likewise; None if no identity is needed.
    """

    dim: int
    template_column: str
    id_column: str | None


def choose_fields(names: Sequence[str], cells: Sequence[object], wanted: Wanted) -> Fields:
    """Return the fields of a row that are meant.

    Args:
        names: What the fields are called; parts of a field in others are separated by points.
        cells: Their values.
        wanted: What is looked for.

    Raises:
        UnclearFieldsError: If which fields are meant is not clear by this row.
    """
    dim, id_column = wanted.dim, wanted.id_column
    if len(cells) > dim + _OTHERS:
        raise UnclearFieldsError(
            f"expected at most {_OTHERS:,} fields beside a template of {dim} numbers, got {len(cells):,} in "
            "all; write a table without them"
        )
    identity = None if id_column is None else _identity_by_name(names, cells, id_column)
    template = _template(names, cells, dim, wanted.template_column, identity)
    if len(template) == dim + 1:
        # The first of one number more than a template has.
        template, identity = template[1:], template[0]
    if id_column is None:
        return Fields(template, None)
    used = {*template}
    others = [place for place in range(len(names)) if place not in used]
    if identity is None and others:
        # Beside other fields, an index is no identity.
        possible = [place for place in others if not _INDEX.fullmatch(names[place])] or others
        if len(possible) > 1 or not _may_be_identity(cells[possible[0]]):
            raise UnclearFieldsError(
                f"expected one field of identities beside the templates, got {_listed(names, others)}; "
                "choose with --id-column, or give --ids"
            )
        (identity,) = possible
    return Fields(template, identity)


def _template(
    names: Sequence[str], cells: Sequence[object], dim: int, column: str, identity: int | None
) -> tuple[int, ...]:
    """Return the place of the vector; or those of its numbers, and of one more before them if any."""
    named = _named(names, column)
    if not named and column != TEMPLATE:
        raise UnclearFieldsError(
            f"expected the field {shorten(column, _NAME)!r}, got {_listed(names)}; choose with "
            "--template-column"
        )
    if len(named) == 1:
        return (named[0],)
    places = [place for place in named or range(len(names)) if place != identity]
    vectors = [place for place in places if is_vector(cells[place], dim)]
    if len(vectors) == 1:
        return (vectors[0],)
    if len(vectors) > 1:
        raise UnclearFieldsError(
            f"expected one field with a template of {dim} numbers, got {_listed(names, vectors)}; choose "
            "with --template-column"
        )
    numbers = [
        place
        for place, cell in enumerate(cells)
        if place != identity and _is_number(cell) and not _numbers_rows(names[place])
    ]
    if len(numbers) == dim or (len(numbers) == dim + 1 and numbers[0] == 0 and identity is None):
        return tuple(numbers)
    commas = [cell for cell in cells if isinstance(cell, str) and _COMMA.fullmatch(cell)]
    if len(commas) > 1:
        raise UnclearFieldsError(
            f"expected numbers with decimal points, got {shorten(commas[0], _NAME)!r}; write the table "
            "anew with points"
        )
    raise UnclearFieldsError(
        f"expected a template of {dim} numbers in one field, or in a column for each number, got "
        f"{_listed(names)}; check --model, or choose with --template-column"
    )


def _identity_by_name(names: Sequence[str], cells: Sequence[object], column: str) -> int | None:
    """Return the place of the identity, by its name or another one that means it; None if no name does."""
    named = _named(names, column)
    if not named and column != IDENTITY:
        raise UnclearFieldsError(
            f"expected the field {shorten(column, _NAME)!r}, got {_listed(names)}; choose with --id-column"
        )
    ranks = {
        place: _rank(names[place], cells[place])
        for place in named or range(len(names))
        if len(named) == 1 or (means_identity(_last(names[place])) and _may_be_identity(cells[place]))
    }
    best = [place for place, rank in ranks.items() if rank == min(ranks.values())]
    if len(best) > 1:
        raise UnclearFieldsError(
            f"expected one field of identities, got {_listed(names, best)}; choose with --id-column"
        )
    return best[0] if best else None


def _rank(name: str, cell: object) -> tuple[bool, bool, bool, int]:
    """Return in what order fields are taken for the identity, the first one first.

    Names of people come before what is no mere key of a row, texts before numbers, and what is in fewer
    objects before the rest.
    """
    last = _last(name).lower()
    return "name" not in last, last.strip("_$") in ("id", "key"), not isinstance(cell, str), name.count(".")


def _named(names: Sequence[str], column: str) -> list[int]:
    """Return the places of the field of a name, or of those in it."""
    exact = [place for place, name in enumerate(names) if name == column]
    inner = f".{column}.".lower()
    return exact or [place for place, name in enumerate(names) if inner in f".{name}.".lower()]


def _numbers_rows(name: str) -> bool:
    """Return whether a column of numbers is an index or has numbers of people, by its name."""
    return means_identity(_last(name)) or _INDEX.fullmatch(name) is not None


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _may_be_identity(cell: object) -> bool:
    # That of one row may be missing.
    return cell is None or (isinstance(cell, str | int) and not isinstance(cell, bool))


def _is_number(cell: object) -> bool:
    if isinstance(cell, str):
        return is_number(cell)
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _listed(names: Sequence[str], places: Sequence[int] | None = None) -> str:
    shown = [
        repr(shorten(names[place], _NAME)) for place in (range(len(names)) if places is None else places)
    ]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return ", ".join(shown[:_SHOWN]) + more
