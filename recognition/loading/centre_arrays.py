"""Class centres among arrays with names, as `numpy.savez` and JSON have them."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recognition.errors import InputError, InputWarning
from recognition.files import MAX_WEIGHTS, printable, shorten
from recognition.identity_names import means_identity
from recognition.loading.head_names import described, means_head
from recognition.numpy_files import listed, names_in, read_npz

#: Longest name of a class in characters.
_MAX_NAME = 1000


def read_npz_centres(path: Path, dim: int) -> tuple[Tensor, list[str] | None]:
    """Return the class centres of an archive of numpy, see `centres_of_arrays`.

    Raises:
        InputError: If it is no such archive, or which array is meant is not clear.
    """
    return centres_of_arrays(path, *read_npz(path, "centres", MAX_WEIGHTS), dim)


def arrays_with_classes(loaded: Any) -> dict[str, NDArray[Any]] | None:
    """Return the arrays of a dict of torch that says of which classes its matrix is.

    Args:
        loaded: The content of a file. Of a dict with a matrix and a list named such as "names" or "labels",
            all arrays are returned; of anything else, None.
    """
    if not isinstance(loaded, dict):
        return None
    arrays = {}
    for key, one in loaded.items():
        if isinstance(one, Tensor) and not one.is_complex():
            arrays[str(key)] = (one.detach().float() if one.is_floating_point() else one).numpy()
        elif isinstance(one, list | tuple) and len({type(item) for item in one}) == 1:
            arrays[str(key)] = np.array(one) if type(one[0]) in (str, int) else np.zeros(0)
    lists = any(means_identity(key) and one.ndim and one.size > 1 for key, one in arrays.items())
    return arrays if lists and any(one.ndim in (2, 3) for one in arrays.values()) else None


def centres_of_arrays(
    path: Path, arrays: Mapping[str, NDArray[Any]], pickled: Mapping[str, str], dim: int
) -> tuple[Tensor, list[str] | None]:
    """Return the one matrix of class centres among arrays, and the classes' names or numbers beside it.

    Args:
        path: The file's name in error messages.
        arrays: One matrix has `dim` rows or columns, or is (classes, K, dim); of several, one has a name such
            as "centres" or "weight". Names are a list of texts, or of whole numbers with a name such as
            "labels".
        pickled: Why other arrays are left out, by their names.
        dim: Number of dimensions of an embedding.

    Warns:
        InputWarning: If the names of the classes are pickled.

    Raises:
        InputError: If which array is meant is not clear.
    """
    matrices = {
        name: torch.from_numpy(np.array(array, array.dtype.newbyteorder("="), order="C"))
        for name, array in arrays.items()
        if array.dtype.kind in "f" and (_is_matrix(array, dim) or (array.ndim == 3 and array.shape[2] == dim))
    }
    named = {name: one for name, one in matrices.items() if means_head(name)}
    chosen = named if len(named) == 1 else matrices
    if len(chosen) != 1:
        found = described(matrices) if matrices else listed(arrays, pickled)
        raise InputError(
            f"{printable(path)}: expected one array of class centres (classes, {dim}) or ({dim}, classes), "
            f"got {found}; save it alone: numpy.save('centres.npy', array)"
        )
    (weights,) = chosen.values()
    count = len(weights) if weights.shape[-1] == dim else weights.shape[1]
    lists = {name: one for name, one in arrays.items() if one.shape == (count,) and one.dtype.kind in "USiu"}
    texts = [one for one in lists.values() if one.dtype.kind in "US"]
    numbers = [one for name, one in lists.items() if one.dtype.kind in "iu" and means_identity(name)]
    names = texts or numbers
    if len(names) == 1:
        return weights, [str(name) for name in names_in(path, names[0], _MAX_NAME)]
    others = {
        name: one
        for name, one in arrays.items()
        if name not in (*lists, *matrices) and means_identity(name) and one.size == count
    }
    if others:
        raise InputError(
            f"{printable(path)}: expected the classes of {count} rows as texts or whole numbers, ({count},), "
            f"got {listed(others)}; save them so, or leave them out"
        )
    if hidden := next(filter(means_identity, pickled), None):
        warnings.warn(
            f"{printable(path)}: {shorten(hidden, 60)!r} has pickled objects, which are never read: the "
            "classes have numbers and no names; save the names as texts: names.astype(str)",
            InputWarning,
            stacklevel=4,
        )
    return weights, None


def _is_matrix(array: NDArray[Any], dim: int) -> bool:
    return array.ndim == 2 and dim in array.shape
