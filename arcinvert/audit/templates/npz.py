"""Templates in a .npz archive, as `numpy.savez` writes it."""

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.templates.cells import read_npy_bytes
from arcinvert.audit.templates.npy import array_blocks
from arcinvert.audit.templates.rows import MAX_NAME, Block, check_unpacked
from recognition.errors import InputError, one_line
from recognition.files import printable, shorten

#: Most arrays of an archive, and how many of their names a message shows.
_MAX_ARRAYS, _SHOWN = 1000, 8


def read_npz(path: Path, dim: int, *, template_column: str, id_column: str) -> Iterator[Block]:
    """Yield the rows of the array of templates, with the identities in another array of the archive.

    An array is found by its name, or as the only one that can be meant: of `dim` columns of numbers, or of as
    many texts or whole numbers as there are templates.

    Raises:
        InputError: If it is no such archive, or several arrays can be meant.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = _read(path, archive)
    except InputError:
        raise
    except Exception as error:
        # A damaged archive raises whatever zipfile, zlib and the codecs do.
        raise InputError(
            f"{printable(path)}: expected an archive of numpy.savez, got something else ({one_line(error)})"
        ) from None
    templates = {
        name: array
        for name, array in arrays.items()
        if array.dtype.kind in "fiu" and array.shape[-1:] == (dim,)
    }
    name = _choose(
        path, arrays, templates, template_column, f"templates of {dim} numbers", "--template-column"
    )
    if name is None:
        raise InputError(
            f"{printable(path)}: expected an array of templates of {dim} real numbers, as the network makes "
            f"them, got {_listed(arrays)}; check --model"
        )
    rows = np.atleast_2d(arrays[name])
    texts = {
        key: array
        for key, array in arrays.items()
        if key != name and array.dtype.kind in "USiu" and array.shape == (len(rows),)
    }
    key = _choose(path, arrays, texts, id_column, f"{len(rows)} identities", "--id-column")
    yield from array_blocks(path, rows, dim, None if key is None else _names(path, arrays[key]))


def _read(path: Path, archive: zipfile.ZipFile) -> dict[str, NDArray[Any]]:
    """Return the arrays of an archive; those of pickled objects are left out."""
    members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
    if len(members) > _MAX_ARRAYS:
        raise InputError(
            f"{printable(path)}: expected at most {_MAX_ARRAYS:,} arrays, got {len(members):,}; use .npy"
        )
    check_unpacked(path, sum(member.file_size for member in members))
    arrays = {}
    for member in members:
        with archive.open(member) as file:
            # What a member says of its size may be untrue; zipfile reads no more than that.
            data = file.read(member.file_size)
        name = member.filename.removesuffix(".npy")
        try:
            arrays[name] = read_npy_bytes(data)
        except ValueError as error:
            raise InputError(f"{printable(path)}: {shorten(name, 60)!r}: {error}") from None
    return arrays


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
                f"{printable(path)}: expected {what} in {column!r}, got {_listed({column: arrays[column]})}; "
                f"name another array with {option}"
            )
        return column
    if len(possible) > 1:
        raise InputError(
            f"{printable(path)}: expected one array of {what}, got {_listed(possible)}; choose one "
            f"with {option}"
        )
    return next(iter(possible), None)


def _names(path: Path, array: NDArray[Any]) -> list[object]:
    """Return identities as texts or whole numbers."""
    if array.dtype.itemsize > 4 * MAX_NAME:
        # Each would have so many bytes; the first one that is too long is enough.
        array = array.astype(f"{array.dtype.kind}{MAX_NAME + 1}")
    if array.dtype.kind == "U":
        # Numpy takes any number of 32 bits for a character, and Python ends with an internal error.
        codes = np.ascontiguousarray(array).view(f"{array.dtype.byteorder}u4")
        if codes.size and codes.max() > sys.maxunicode:
            raise InputError(
                f"{printable(path)}: expected texts as identities, got damaged ones; write it anew"
            )
    if array.dtype.kind == "S":
        return [name.decode("utf-8", "surrogateescape") for name in array.tolist()]
    return list(array.tolist())


def _listed(arrays: dict[str, NDArray[Any]]) -> str:
    shown = [f"{shorten(name, 60)!r} {array.dtype} {array.shape}" for name, array in arrays.items()]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    return (", ".join(shown[:_SHOWN]) or "no array") + more
