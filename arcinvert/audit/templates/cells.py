"""One template in a cell of a database: the forms in which projects store a vector as bytes or as text.

Nothing is guessed: a cell is read by its length, its first bytes or its brackets, or it is refused.
"""

import base64
import binascii
import io
import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.files import parse_json

#: The first bytes of `numpy.save`, and of pickles of protocol 2 and later.
_NPY, _PICKLE = b"\x93NUMPY", re.compile(rb"\x80[\x02-\x05]")
#: Characters of a number in a list, with its comma: 17 digits, sign, point and exponent; and of the rest.
_NUMBER_LENGTH, _REST = 32, 1000
#: Raw numbers by their bytes: little-endian, as all usual machines write them.
_RAW = {2: "<f2", 4: "<f4", 8: "<f8"}
#: Brackets of lists of numbers: of JSON and pgvector, of PostgreSQL's arrays, of Python's tuples.
_BRACKETS = {"[": "]", "{": "}", "(": ")"}
#: What separates the numbers of a list: commas, semicolons or white space, as numpy prints it.
_SEPARATOR = re.compile(r"\s*[,;]\s*|\s+")
#: Bytes that are a text: printed ASCII characters and white space.
_PRINTED = re.compile(rb"[\t\n\r -~]*")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")


def decode_cell(value: object, dim: int) -> NDArray[np.float64]:
    """Return the template in a cell, shape (dim,).

    Bytes are raw float16, float32 or float64 numbers, a file of `numpy.save`, or a text in UTF-8. A text is a
    JSON list, also in another list or as the only list of an object; numbers with commas or spaces between
    them, with brackets or without, such as pgvector's; or the bytes in base64 or as PostgreSQL's bytea.

    Args:
        value: The cell.
        dim: Dimensions of a template.

    Raises:
        ValueError: If it is something else; says what.
    """
    if value is None:
        raise ValueError(f"expected a template of {dim} numbers, got NULL")
    if isinstance(value, str):
        return _from_text(value, dim)
    if isinstance(value, bytes):
        return _from_bytes(value, dim)
    if isinstance(value, list):
        return _from_list(value, dim)
    raise ValueError(f"expected a template of {dim} numbers, got a single {type(value).__name__}")


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
        raise ValueError(
            "expected numbers, got pickled objects, which are never read; store numbers or texts"
        )
    left = len(data) - file.tell()
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != left:
        raise ValueError(f"expected {shape} of {dtype}, as its header says, got {left:,} bytes")
    if not left:
        return np.zeros(shape, dtype)
    array = np.frombuffer(data, dtype, offset=file.tell())
    return array.reshape(shape, order="F" if fortran else "C")


def _from_bytes(data: bytes, dim: int) -> NDArray[np.float64]:
    # A text first: it may have as many bytes as raw numbers, but those are never a list of numbers.
    if _PRINTED.fullmatch(data):
        try:
            return _from_text(data.decode(), dim)
        except ValueError:
            if not _is_raw(data, dim):
                raise
    return _from_binary(data, dim)


def _is_raw(data: bytes, dim: int) -> bool:
    return len(data) % dim == 0 and len(data) // dim in _RAW


def _from_binary(data: bytes, dim: int) -> NDArray[np.float64]:
    if data.startswith(_NPY):
        array = read_npy_bytes(data)
        if array.dtype.kind not in "fiu" or array.size != dim or max(array.shape, default=0) != dim:
            raise ValueError(f"expected a template of {dim} numbers, got {array.dtype} {array.shape}")
        return array.reshape(dim).astype(np.float64)
    if _is_raw(data, dim):
        return np.frombuffer(data, _RAW[len(data) // dim]).astype(np.float64)
    if _PICKLE.match(data):
        raise ValueError("got a pickle, which could run code; store numpy's tobytes() in its place")
    raise ValueError(
        f"expected {dim} float16, float32 or float64 numbers ({2 * dim}, {4 * dim} or {8 * dim} bytes), got "
        f"{len(data):,} bytes"
    )


def _from_text(text: str, dim: int) -> NDArray[np.float64]:
    if len(text) > _NUMBER_LENGTH * dim + _REST:
        raise ValueError(f"expected a template of {dim} numbers, got a text of {len(text):,} characters")
    text = text.removeprefix("\ufeff").strip()
    if text.startswith("\\x"):
        # PostgreSQL's bytea.
        return _from_binary(bytes.fromhex(text[2:]), dim)
    try:
        value = parse_json(text)
    except ValueError:
        data = _base64(text) if _BASE64.fullmatch(text) else None
        return _from_separated(text, dim) if data is None else _from_binary(data, dim)
    return _from_json(value, dim)


def _from_json(value: Any, dim: int) -> NDArray[np.float64]:
    if isinstance(value, dict):
        lists = [part for part in value.values() if isinstance(part, list)]
        if len(lists) != 1:
            raise ValueError(f"expected a JSON list of {dim} numbers, got an object with {len(lists)} lists")
        value = lists[0]
    if not isinstance(value, list):
        raise ValueError(f"expected a JSON list of {dim} numbers, got {_kind(value)}")
    return _from_list(value, dim)


def _from_list(value: list[Any], dim: int) -> NDArray[np.float64]:
    # A batch of one, as networks return it.
    while len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    if len(value) != dim:
        raise ValueError(f"expected a list of {dim} numbers, got {len(value)}")
    for item in value:
        if isinstance(item, bool) or not isinstance(item, int | float):
            raise ValueError(f"expected a list of {dim} numbers, got {_kind(item)} in it")
    return np.array(value, dtype=np.float64)


def _from_separated(text: str, dim: int) -> NDArray[np.float64]:
    closing = _BRACKETS.get(text[:1])
    inner = text[1:-1].strip() if closing is not None and text.endswith(closing) else text
    words = _SEPARATOR.split(inner) if inner else []
    try:
        numbers = [_float(word) for word in words]
    except ValueError:
        raise ValueError(
            f"expected a template of {dim} numbers as JSON, with commas between them, or in base64, got a "
            f"text of {len(text):,} characters"
        ) from None
    if len(numbers) != dim:
        raise ValueError(f"expected a list of {dim} numbers, got {len(numbers)}")
    return np.array(numbers)


def _float(word: str) -> float:
    # Python's own form has underscores and the digits of all scripts.
    if not word.isascii() or "_" in word:
        raise ValueError(word)
    return float(word)


def _base64(text: str) -> bytes | None:
    padded = text.rstrip("=")
    padded += "=" * (-len(padded) % 4)
    try:
        return base64.b64decode(padded.translate(str.maketrans("-_", "+/")), validate=True)
    except binascii.Error:
        return None


def _kind(value: Any) -> str:
    """Return what messages call a value of JSON."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
