"""Arrays in the bytes of `numpy.save` and in archives of `numpy.savez`; pickled objects are never read."""

import io
import math
import sys
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InputError, one_line
from recognition.files import check_regular, printable, shorten

#: Most arrays of an archive, and how many of them and what of their names a message shows.
_MAX_ARRAYS, _SHOWN, _SHOWN_NAME = 1000, 8, 60
#: Bytes that any compressed file may hold, and how often more than it has itself: equal rows are compressed
#: so well that a file of kilobytes could fill the memory.
_FREE_BYTES, MOST_COMPRESSED = 256 << 20, 8


class PickledError(ValueError):
    """Raised for pickled objects, which are never read: they could run code."""


def read_npy_bytes(data: bytes) -> NDArray[Any]:
    """Return the array in the bytes of `numpy.save`; pickles are not read.

    Raises:
        ValueError: If they are something else, or damaged.
    """
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(file)
    except Exception:
        # A damaged header raises whatever the tokeniser and the parser do.
        raise ValueError("expected the bytes of numpy.save, got damaged ones") from None
    if dtype.hasobject:
        raise PickledError(
            "expected numbers, got pickled objects, which are never read; store numbers or texts"
        )
    left = len(data) - file.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != left:
        raise ValueError(f"expected {shape} of {dtype}, as its header says, got {left:,} bytes")
    if not left:
        return np.zeros(shape, dtype)
    array = np.frombuffer(data, dtype, offset=file.tell())
    return array.reshape(shape, order="F" if fortran else "C")


def read_npz(path: Path, what: str, max_bytes: int) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Return the arrays of an archive, and why those of pickled objects are left out, both by name.

    Args:
        path: The archive, as `numpy.savez` writes it.
        what: What it holds, in error messages, such as "templates".
        max_bytes: Largest archive; what it holds is limited by `check_unpacked`.

    Raises:
        InputError: If it is no such archive, an array is damaged, or it is too large.
    """
    check_regular(path, f"an archive of {what}", max_bytes)
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(path, archive, what)
    except InputError:
        raise
    except Exception as error:
        # A damaged archive raises whatever zipfile, zlib and the codecs do.
        raise InputError(
            f"{printable(path)}: expected an archive of numpy.savez, got something else ({one_line(error)})"
        ) from None


def _read(path: Path, archive: zipfile.ZipFile, what: str) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    members = [member for member in archive.infolist() if member.filename.endswith(".npy")]
    if len(members) > _MAX_ARRAYS:
        raise InputError(
            f"{printable(path)}: expected at most {_MAX_ARRAYS:,} arrays, got {len(members):,}; use .npy"
        )
    check_unpacked(path, sum(member.file_size for member in members), what)
    arrays, pickled = {}, {}
    for member in members:
        with archive.open(member) as file:
            # What a member says of its size may be untrue; zipfile reads no more than that.
            data = file.read(member.file_size)
        name = member.filename.removesuffix(".npy")
        try:
            arrays[name] = read_npy_bytes(data)
        except PickledError as error:
            pickled[name] = str(error)
        except ValueError as error:
            raise InputError(f"{printable(path)}: {shorten(name, _SHOWN_NAME)!r}: {error}") from None
    return arrays, pickled


def check_unpacked(path: Path, unpacked: int, what: str) -> None:
    """Check what a compressed file says that it holds.

    Args:
        path: The file.
        unpacked: Its content in bytes.
        what: What it holds, in error messages.

    Raises:
        InputError: If it is far more than the file itself.
    """
    most = most_unpacked(path)
    if unpacked > most:
        raise InputError(
            f"{printable(path)}: expected at most {most:,} bytes of {what} in a file of this size, got "
            f"{unpacked:,}; write it without compression"
        )


def most_unpacked(path: Path) -> int:
    """Return how many bytes a compressed file may hold."""
    return _FREE_BYTES + MOST_COMPRESSED * path.stat().st_size


def names_in(path: Path, array: NDArray[Any], max_length: int) -> list[str | int]:
    """Return an array of texts or whole numbers as a list; bytes that are no UTF-8 as Python keeps them.

    Args:
        path: The file's name in error messages.
        array: Shape (n,), of kind U, S, i or u.
        max_length: Characters of a text that are enough to say that it is too long.

    Raises:
        InputError: If a character is none of Unicode's.
    """
    if array.dtype.itemsize > 4 * max_length:
        # Each would have so many bytes; the first one that is too long is enough.
        array = array.astype(f"{array.dtype.kind}{max_length + 1}")
    if array.dtype.kind == "U":
        # Numpy takes any number of 32 bits for a character, and Python ends with an internal error.
        codes = np.ascontiguousarray(array).view(f"{array.dtype.byteorder}u4")
        if codes.size and codes.max() > sys.maxunicode:
            raise InputError(f"{printable(path)}: expected names as texts, got damaged ones; write it anew")
    if array.dtype.kind == "S":
        return [name.decode("utf-8", "surrogateescape") for name in array.tolist()]
    return list(array.tolist())


def listed(arrays: Mapping[str, NDArray[Any]], pickled: Iterable[str] = ()) -> str:
    """Return the names, types and shapes of some arrays, for an error message.

    Args:
        arrays: The arrays, by name.
        pickled: The names of arrays that are not read.
    """
    shown = [f"{shorten(name, _SHOWN_NAME)!r} {array.dtype} {array.shape}" for name, array in arrays.items()]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    hidden = ", ".join(repr(shorten(name, _SHOWN_NAME)) for name in [*pickled][:_SHOWN])
    if hidden:
        more += f", and pickled objects, which are never read, in {hidden}"
    return (", ".join(shown[:_SHOWN]) or "no array") + more
