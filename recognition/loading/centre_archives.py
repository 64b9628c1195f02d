"""Class centres in archives of `numpy.savez`."""

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recognition.errors import InputError, one_line
from recognition.files import MAX_WEIGHTS, check_regular, printable
from recognition.loading.head_names import described, means_head

#: Most arrays of an archive, and of them in a message.
_MAX_ARRAYS, _SHOWN = 1000, 4
#: Most bytes of an archive's content: in all, and for each byte of the file.
_UNPACKED, _RATIO = 256 << 20, 8
#: Names of arrays of classes, in letters alone.
_CLASSES = re.compile(r"(class|label|identit|person|subject)?(name|id|label|class|e|y|ie)?s?")


def read_npz_centres(path: Path, dim: int) -> tuple[Tensor, list[str] | None]:
    """Return the one matrix of class centres of an archive, and the classes' names or numbers beside it.

    Args:
        path: The archive. Its matrix has `dim` rows or columns, or is (classes, K, dim); of several, one has
            a name such as "centres" or "weight". Names are a list of texts, or of whole numbers with a name
            such as "labels".
        dim: Number of dimensions of an embedding.

    Raises:
        InputError: If it is no such archive, or which array is meant is not clear.
    """
    arrays = _read_archive(path)
    matrices = {
        name: torch.from_numpy(np.ascontiguousarray(array, array.dtype.newbyteorder("=")))
        for name, array in arrays.items()
        if array.dtype.kind in "f" and (_is_matrix(array, dim) or (array.ndim == 3 and array.shape[2] == dim))
    }
    named = {name: one for name, one in matrices.items() if means_head(name)}
    chosen = named if len(named) == 1 else matrices
    if len(chosen) != 1:
        listed = described(matrices) if matrices else _listed(arrays)
        raise InputError(
            f"{printable(path)}: expected one array of class centres (classes, {dim}) or ({dim}, classes), "
            f"got {listed}; save it alone: numpy.save('centres.npy', array)"
        )
    (weights,) = chosen.values()
    count = len(weights) if weights.shape[-1] == dim else weights.shape[1]
    lists = {name: one for name, one in arrays.items() if one.shape == (count,) and one.dtype.kind in "USiu"}
    texts = [one for one in lists.values() if one.dtype.kind in "US"]
    numbers = [one for name, one in lists.items() if one.dtype.kind in "iu" and _means_classes(name)]
    found = texts or numbers
    if len(found) != 1:
        return weights, None
    return weights, [_text(one) for one in found[0].tolist()]


def _read_archive(path: Path) -> dict[str, NDArray[Any]]:
    size = check_regular(path, "an archive of centres", MAX_WEIGHTS)
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
            held = sum(member.file_size for member in members)
            if len(members) > _MAX_ARRAYS or held > _UNPACKED + _RATIO * size:
                raise InputError(
                    f"{printable(path)}: expected at most {_MAX_ARRAYS:,} arrays and {_RATIO} times the "
                    f"file, got {len(members):,} of {held:,} bytes; save the centres alone as .npy"
                )
            for member in members:
                with archive.open(member) as file:
                    data = io.BytesIO(file.read(member.file_size))
                array = _read_array(data)
                if array is not None:
                    arrays[member.filename.removesuffix(".npy")] = array
    except InputError:
        raise
    except Exception as error:
        # A damaged archive raises whatever zipfile, zlib and numpy do.
        raise InputError(
            f"{printable(path)}: expected an archive of numpy.savez, got something else ({one_line(error)})"
        ) from None
    return arrays


def _read_array(data: io.BytesIO) -> NDArray[Any] | None:
    """Return an array; None for one of objects, which are pickled and never read."""
    version = np.lib.format.read_magic(data)
    one = version == (1, 0)
    read = np.lib.format.read_array_header_1_0 if one else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(data)
    if dtype.hasobject:
        return None
    left = len(data.getbuffer()) - data.tell()
    if min(shape, default=0) < 0 or dtype.itemsize * int(np.prod(shape, dtype=object)) != left:
        raise ValueError(f"{shape} of {dtype} in {left:,} bytes")
    data.seek(0)
    return np.lib.format.read_array(data, allow_pickle=False)


def _is_matrix(array: NDArray[Any], dim: int) -> bool:
    return array.ndim == 2 and dim in array.shape


def _listed(arrays: dict[str, NDArray[Any]]) -> str:
    shown = [f"{name[:60]!r} {array.dtype} {array.shape}" for name, array in list(arrays.items())[:_SHOWN]]
    return ", ".join(shown) or "no array of numbers or texts"


def _means_classes(name: str) -> bool:
    letters = "".join(filter(str.isalpha, name.lower()))
    return bool(letters) and _CLASSES.fullmatch(letters) is not None


def _text(value: Any) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
