"""Templates in a .npz archive, as `numpy.savez` writes it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.templates.npy import array_blocks
from arcinvert.templates.rows import MAX_BYTES, MAX_NAME, Block
from recognition.errors import InputError
from recognition.files import printable, shorten
from recognition.identity_names import means_identity
from recognition.numpy_files import listed, names_in, read_npz

#: What `numpy.savez` calls arrays without a name of their own.
_UNNAMED, _NOTHING = re.compile(r"arr_\d+"), re.compile(r"(?!)")


def read_npz_templates(
    path: Path, dim: int, *, template_column: str, id_column: str | None
) -> Iterator[Block]:
    """Yield the rows of the array of templates, with the identities in another array of the archive.

    Templates are found by their name, or as the only array of `dim` columns of numbers; identities by their
    name, by another one that means identities, or as the other one of two arrays without names of their own.
    Another array of as many texts or whole numbers may be anything, such as dates, and is not taken for them.

    Args:
        path: The archive.
        dim: Dimensions of a template.
        template_column: The name of the array of templates.
        id_column: The name of the array of identities; None if these are elsewhere.

    Raises:
        InputError: If it is no such archive, several arrays can be meant, or none is known to be the
            identities.
    """
    arrays, pickled = read_npz(path, "templates", MAX_BYTES)
    templates = {
        name: array
        for name, array in arrays.items()
        if array.dtype.kind in "fiu" and array.shape[-1:] == (dim,)
    }
    # A row of numbers is a template only where there is no table of them.
    templates = {name: array for name, array in templates.items() if array.ndim > 1} or templates
    for column in (template_column, id_column):
        if column in pickled:
            raise InputError(f"{printable(path)}: {column!r}: {pickled[column]}")
    name = _choose(
        path, arrays, templates, template_column, f"templates of {dim} numbers", "--template-column"
    )
    if name is None:
        raise InputError(
            f"{printable(path)}: expected an array of templates of {dim} real numbers, as the network makes "
            f"them, got {listed(arrays, pickled)}; check --model"
        )
    rows = np.atleast_2d(arrays[name])
    key = None if id_column is None else _identities(path, arrays, pickled, name, len(rows), id_column)
    yield from array_blocks(
        path, rows, dim, None if key is None else [*names_in(path, arrays[key], MAX_NAME)]
    )


def _identities(
    path: Path,
    arrays: dict[str, NDArray[Any]],
    pickled: dict[str, str],
    templates: str,
    count: int,
    column: str,
) -> str | None:
    """Return the name of the array of identities; None if no array can be.

    Args:
        path: The archive.
        arrays: Its arrays.
        pickled: Why others are not read.
        templates: The name of the array of templates.
        count: The number of templates.
        column: The name that identities have by the user.
    """
    possible = {
        key: array
        for key, array in arrays.items()
        if key != templates and array.dtype.kind in "USiu" and array.shape == (count,)
    }
    # Two arrays without names of their own are templates and identities.
    unnamed = _UNNAMED if _UNNAMED.fullmatch(templates) else _NOTHING
    known = {
        key: array
        for key, array in possible.items()
        if key == column or means_identity(key) or unnamed.fullmatch(key)
    }
    key = _choose(path, arrays, known, column, f"{count} identities", "--id-column")
    hidden = next((name for name in pickled if means_identity(name)), None)
    if key is None and hidden is not None:
        raise InputError(f"{printable(path)}: {shorten(hidden, 60)!r}: {pickled[hidden]}")
    unusable = {
        one: array
        for one, array in arrays.items()
        if one not in (templates, *possible) and means_identity(one) and array.size == count
    }
    if key is None and unusable:
        raise InputError(
            f"{printable(path)}: expected {count} identities as texts or whole numbers, ({count},), got "
            f"{listed(unusable)}; save them so, or give them in a text file with --ids"
        )
    if key is None and possible:
        raise InputError(
            f"{printable(path)}: expected {count} identities in {column!r}, got {listed(possible)}, which "
            "may be anything; name the identities with --id-column, or give them in a text file with --ids"
        )
    return key


def _choose(
    path: Path,
    arrays: dict[str, NDArray[Any]],
    possible: dict[str, NDArray[Any]],
    column: str,
    what: str,
    option: str,
) -> str | None:
    """Return the name of the array that is meant; None if there is none."""
    if column in arrays:
        if column not in possible:
            raise InputError(
                f"{printable(path)}: expected {what} in {column!r}, got {listed({column: arrays[column]})}; "
                f"name another array with {option}"
            )
        return column
    if len(possible) > 1:
        raise InputError(
            f"{printable(path)}: expected one array of {what}, got {listed(possible)}; choose one "
            f"with {option}"
        )
    return next(iter(possible), None)
