"""Class centres in JSON: a list of rows, or an object of names and vectors or of arrays."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recognition.errors import InputError
from recognition.files import printable, shorten
from recognition.identity_names import means_identity
from recognition.json_records import record_name, wrapped_records
from recognition.loading.centre_arrays import centres_of_arrays
from recognition.loading.head_names import means_head
from recognition.vectors import decode_vector

#: Most characters of a name in a message.
_SHOWN = 60


def centres_of_json(path: Path, value: Any, dim: int) -> tuple[Tensor, list[str] | None]:
    """Return the class centres of a JSON value, and the names of the classes if it has them.

    Args:
        path: The file's name in error messages.
        value: A list of vectors, see `decode_vector`, or of objects with a vector and a name each; a matrix;
            an object of vectors by name, or with a matrix and a list of names, or with one list of objects.
        dim: Number of dimensions of an embedding.

    Raises:
        InputError: If a row is no vector of `dim` numbers, or which matrix is meant is not clear.
    """
    if isinstance(value, dict):
        matrices = [
            key for key, one in value.items() if _is_matrix(one) and (len(one) > 1 or len(value) == 1)
        ]
        if matrices:
            return _of_arrays(path, value, matrices, dim)
        is_record = any(means_identity(key) and type(one) in (str, int) for key, one in value.items())
        if not is_record and (records := wrapped_records(value, dim)) is not None:
            return centres_of_json(path, records, dim)
        named = [(record_name(value), value)] if is_record else list(value.items())
        return _of_rows(path, named, dim)
    if _is_matrix(value) and (matrix := _numbers(value)) is not None:
        return torch.from_numpy(matrix), None
    is_vector = isinstance(value, list) and bool(value) and all(type(one) in (int, float) for one in value)
    rows = value if isinstance(value, list) and not is_vector else [value]
    return _of_rows(path, [(record_name(row) if isinstance(row, dict) else None, row) for row in rows], dim)


def check_all_named(path: Path, named: int, rows: int) -> None:
    """Check that all rows of a file have names, or none has.

    Raises:
        InputError: If some have.
    """
    if named not in (0, rows):
        raise InputError(
            f"{printable(path)}: expected a name for each of {rows} rows or for none, got {named}; name all "
            "classes"
        )


def _of_arrays(
    path: Path, value: dict[str, Any], matrices: list[str], dim: int
) -> tuple[Tensor, list[str] | None]:
    """Return the centres of an object with a matrix.

    Raises:
        InputError: If another key has a vector: the object then lists classes, some with several vectors.
    """
    others = [one for key, one in value.items() if key not in matrices and isinstance(one, list)]
    # Whole numbers are such as those of columns.
    vectors = any(len(one) == dim and any(isinstance(number, float) for number in one) for one in others)
    if vectors and not any(map(means_head, matrices)):
        raise InputError(
            f"{printable(path)}: expected one vector for each class, got {len(value[matrices[0]])} for "
            f"{shorten(matrices[0], _SHOWN)!r}; give their mean"
        )
    arrays = {}
    for key, one in value.items():
        if key in matrices:
            array = _numbers(one)
        else:
            array = np.array(one) if isinstance(one, list) and _is_plain(one) else None
        if array is not None:
            arrays[key] = array
    return centres_of_arrays(path, arrays, {}, dim)


def _of_rows(path: Path, rows: Iterable[tuple[str | None, Any]], dim: int) -> tuple[Tensor, list[str] | None]:
    names: list[str] = []
    vectors: list[NDArray[np.float64]] = []
    for number, (name, row) in enumerate(rows):
        where = f"row {number}" if name is None else repr(shorten(name, _SHOWN))
        try:
            vectors.append(decode_vector(row, dim))
        except ValueError as error:
            raise InputError(
                f"{printable(path)}: {where}: {error}; give a list of {dim} numbers for each class"
            ) from None
        if name is not None:
            names.append(name)
    if not vectors:
        raise InputError(f"{printable(path)}: expected class centres, got an empty list; check the file")
    check_all_named(path, len(names), len(vectors))
    return torch.from_numpy(np.stack(vectors)), names or None


def _is_matrix(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, list) for row in value)


def _numbers(value: list[Any]) -> NDArray[np.float64] | None:
    """Return lists of numbers in lists of one length as an array; None if they are something else."""
    try:
        array = np.array(value)
    except ValueError:
        return None
    return array.astype(np.float64) if array.dtype.kind in "fiu" else None


def _is_plain(value: list[Any]) -> bool:
    """Return whether a list has texts alone, or whole numbers alone: names, or numbers of classes."""
    return len({type(one) for one in value}) == 1 and type(value[0]) in (str, int)
