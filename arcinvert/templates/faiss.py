"""Templates in a flat index of FAISS, read without FAISS.

A flat index holds the vectors as they are. Of other kinds, which compress them, nothing is read.

Source: faiss/impl/index_write.cpp, `write_index` and `write_index_header`.
"""

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.templates.npy import array_blocks
from arcinvert.templates.rows import MAX_BYTES, Block
from recognition.errors import InputError
from recognition.files import open_regular, printable

#: The first four bytes of flat indexes (inner product, Euclidean, another metric) and of those with numbers
#: of their own for the vectors.
_FLAT, _WITH_IDS = (b"IxFI", b"IxF2", b"IxFl"), (b"IxMp", b"IxM2")
#: After these: dimensions, vectors, two unused fields, whether it is trained, and the metric. Metrics above 1
#: have a number more.
_HEADER = struct.Struct("<iqqq?i")
_COUNT = struct.Struct("<Q")


def read_faiss(path: Path, dim: int) -> Iterator[Block]:
    """Yield the vectors of a flat index, with the numbers of an index that has some as identities.

    Raises:
        InputError: If it is another kind of index or damaged, or has other dimensions.
    """
    with open_regular(path, "an index of FAISS", MAX_BYTES) as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (ValueError, OSError):
            raise _damaged(path, "it is empty") from None
    try:
        templates, numbers = _parse(path, data)
    except InputError:
        raise
    except (struct.error, ValueError):
        raise _damaged(path, "it ends too early") from None
    yield from array_blocks(path, templates, dim, None if numbers is None else list(numbers.tolist()))


def _parse(path: Path, data: mmap.mmap) -> tuple[NDArray[np.float32], NDArray[np.int64] | None]:
    kind, at = data[:4], 0
    outer = None
    if kind in _WITH_IDS:
        _, outer, at = _header(data, 4)
        kind = data[at : at + 4]
    if kind not in _FLAT:
        raise InputError(
            f"{printable(path)}: expected a flat index of FAISS (IndexFlat, or IndexIDMap of one), got "
            f"{bytes(kind)!r}; save its vectors with numpy.save('templates.npy', index.reconstruct_n(0, "
            "index.ntotal))"
        )
    dim, count, at = _header(data, at + 4)
    # The vectors are counted in words of four bytes.
    templates, at = _array(data, at, "<f4")
    if dim < 1 or len(templates) != dim * count:
        raise _damaged(path, f"it has {len(templates):,} numbers for {count:,} vectors of {dim}")
    numbers = None
    if outer is not None:
        numbers, _ = _array(data, at, "<i8")
        if len(numbers) != count or outer != count:
            raise _damaged(path, f"it has {len(numbers):,} identities for {count:,} vectors")
    return templates.reshape(count, dim), numbers


def _header(data: mmap.mmap, at: int) -> tuple[int, int, int]:
    """Return dimensions, number of vectors, and where the header ends."""
    dim, count, _, _, _, metric = _HEADER.unpack_from(data, at)
    return dim, count, at + _HEADER.size + (4 if metric > 1 else 0)


def _array(data: mmap.mmap, at: int, dtype: str) -> tuple[NDArray[Any], int]:
    (count,) = _COUNT.unpack_from(data, at)
    begin, size = at + _COUNT.size, count * np.dtype(dtype).itemsize
    if begin + size > len(data):
        raise ValueError
    return np.frombuffer(data, dtype, count, begin), begin + size


def _damaged(path: Path, why: str) -> InputError:
    return InputError(
        f"{printable(path)}: expected an index of FAISS, got a damaged one: {why}; write it anew"
    )
