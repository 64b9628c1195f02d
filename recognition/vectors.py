"""One vector in a cell of a database or a line of text: the forms in which projects store it.

A value is read by its length, its first bytes or its brackets, or it is refused. Only the order of the bytes
of raw numbers, and whether two bytes are float16 or bfloat16, follow from their values: read wrongly, these
are beyond all reason.
"""

import base64
import binascii
import contextlib
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.files import parse_json
from recognition.numpy_files import read_npy_bytes

#: The first bytes of `numpy.save`, and of pickles of protocol 2 and later.
_NPY, _PICKLE = b"\x93NUMPY", re.compile(rb"\x80[\x02-\x05]")
#: Characters of a number in a list, with its comma: 17 digits, sign, point and exponent; and of the rest.
_NUMBER_LENGTH, _REST = 32, 1000
#: Raw numbers by their bytes: little-endian, as all usual machines write them, and as Java and networks do.
_RAW, _SWAPPED = {2: "<f2", 4: "<f4", 8: "<f8"}, {2: ">f2", 4: ">f4", 8: ">f8"}
#: Largest number of any vector, at least, and at most by the bytes of a number.
_LEAST, _MOST = 1e-3, {2: 1e3, 4: 1e4, 8: 1e4}
#: Fewest numbers by which float16 and bfloat16 are told apart, and the largest one over their median and over
#: their least: of normal numbers they are about 3 to 5, and 100 and more.
_TELLING, _OVER_MEDIAN, _OVER_LEAST = 64, 128, 16
#: Brackets of lists of numbers: of JSON and pgvector, of PostgreSQL's arrays, of Python's tuples.
BRACKETS = {"[": "]", "{": "}", "(": ")"}
#: What separates the numbers of a list: commas, semicolons or white space, as numpy prints it.
_SEPARATOR = re.compile(r"\s*[,;]\s*|\s+")
#: Characters that no text has.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BASE64, _HEX = re.compile(r"[A-Za-z0-9+/_-]+={0,2}"), re.compile(r"[0-9A-Fa-f]+")


def decode_vector(value: object, dim: int) -> NDArray[np.float64]:
    """Return the vector that a value stores, shape (dim,).

    Bytes are raw float16, bfloat16, float32 or float64 numbers, a file of `numpy.save`, or a text in UTF-8. A
    text is a JSON list, also in other lists and objects, of which it is the only one of `dim` items, or a
    text of one in an object; numbers with commas or spaces between them, with brackets or without, such as
    pgvector's; or the bytes in base64, in hexadecimal digits or as PostgreSQL's bytea.

    Args:
        value: Bytes, a text, or a list or an object of JSON.
        dim: Number of its dimensions.

    Raises:
        ValueError: If it is something else; says what.
    """
    if value is None:
        raise ValueError(f"expected a vector of {dim} numbers, got NULL")
    if isinstance(value, str):
        return _from_text(value, dim)
    if isinstance(value, bytes):
        return _from_bytes(value, dim)
    if isinstance(value, list):
        return _from_list(value, dim)
    if isinstance(value, dict):
        return _from_json(value, dim)
    raise ValueError(f"expected a vector of {dim} numbers, got a single {type(value).__name__}")


def is_vector(value: object, dim: int) -> bool:
    """Return whether a value is a vector, or has one in it, see `decode_vector`."""
    try:
        decode_vector(value, dim)
    except ValueError:
        return False
    return True


def _from_bytes(data: bytes, dim: int) -> NDArray[np.float64]:
    # A text first: it may have as many bytes as raw numbers, but those are never a list of numbers.
    text = _as_text(data)
    if text is not None:
        try:
            return _from_text(text, dim)
        except ValueError:
            if not _is_raw(data, dim):
                raise
    return _from_binary(data, dim)


def _as_text(data: bytes) -> str | None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text) else text


def _is_raw(data: bytes, dim: int) -> bool:
    return len(data) % dim == 0 and len(data) // dim in _RAW


def _from_binary(data: bytes, dim: int) -> NDArray[np.float64]:
    if data.startswith(_NPY):
        array = read_npy_bytes(data)
        if array.dtype.kind not in "fiu" or array.size != dim or max(array.shape, default=0) != dim:
            raise ValueError(f"expected a vector of {dim} numbers, got {array.dtype} {array.shape}")
        return array.reshape(dim).astype(np.float64)
    if _is_raw(data, dim):
        return _from_raw(data, len(data) // dim)
    if _PICKLE.match(data):
        raise ValueError("got a pickle, which could run code; store numpy's tobytes() in its place")
    raise ValueError(
        f"expected {dim} float16, float32 or float64 numbers ({2 * dim}, {4 * dim} or {8 * dim} bytes), got "
        f"{len(data):,} bytes"
    )


def _from_raw(data: bytes, size: int) -> NDArray[np.float64]:
    """Return raw numbers of some bytes each, in the order of bytes in which a vector can have them."""
    # Numbers in the wrong order of bytes may be such that their conversion warns.
    with np.errstate(invalid="ignore"):
        usual, swapped = (np.frombuffer(data, kinds[size]).astype(np.float64) for kinds in (_RAW, _SWAPPED))
    plausible = [_LEAST <= np.abs(numbers).max() <= _MOST[size] for numbers in (usual, swapped)]
    order = ">" if plausible == [False, True] else "<"
    numbers = usual if order == "<" else swapped
    if size == 2 and len(numbers) >= _TELLING:
        halves = np.frombuffer(data, f"{order}u2").astype("<u4") << 16
        with np.errstate(invalid="ignore"):
            brain = halves.view("<f4").astype(np.float64)
        if _is_brain(np.abs(numbers[numbers != 0]), np.abs(brain[brain != 0])):
            return brain
    return numbers


def _is_brain(half: NDArray[np.float64], brain: NDArray[np.float64]) -> bool:
    """Return whether numbers of two bytes are bfloat16.

    The upper bits of a bfloat16 exponent are all that float16 takes for one, so that bfloat16 numbers read as
    float16 are all of nearly one size, and float16 numbers read as bfloat16 are of many powers of ten.

    Args:
        half: The magnitudes of those that are not zero, as float16.
        brain: The same as bfloat16.
    """
    return (
        len(half) > 0
        and bool(np.isfinite(half).all() and np.isfinite(brain).all())
        and _LEAST <= brain.max() <= _MOST[4]
        and brain.max() <= _OVER_MEDIAN * np.median(brain)
        and half.max() <= _OVER_LEAST * half.min()
    )


def _from_text(text: str, dim: int) -> NDArray[np.float64]:
    if len(text) > _NUMBER_LENGTH * dim + _REST:
        raise ValueError(f"expected a vector of {dim} numbers, got a text of {len(text):,} characters")
    if not text.isascii():
        _check_unicode(text)
    text = text.removeprefix("\ufeff").strip()
    if text.startswith("\\x"):
        # PostgreSQL's bytea.
        if not _HEX.fullmatch(text[2:]) or len(text) % 2:
            raise ValueError("expected PostgreSQL's bytea in pairs of hexadecimal digits, got something else")
        return _from_binary(bytes.fromhex(text[2:]), dim)
    try:
        value = parse_json(text)
    except ValueError:
        return _from_plain(text, dim)
    return _from_json(value, dim)


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        # Of a column of texts; Python keeps the bytes as half characters.
        raise ValueError(
            "expected a text in UTF-8, got other bytes; store numbers as a BLOB or in base64"
        ) from None


def _from_plain(text: str, dim: int) -> NDArray[np.float64]:
    """Return the vector in a text that is no JSON."""
    compact = "".join(line.strip() for line in text.splitlines())
    # Lines of base64 are never numbers, but lines of numbers may look like base64.
    numbers = None if compact == text and _BASE64.fullmatch(text) else _separated(text)
    if numbers is not None:
        if len(numbers) != dim:
            raise ValueError(f"expected a list of {dim} numbers, got {len(numbers)}")
        return np.array(numbers)
    digits = compact.removeprefix("0x")
    if _HEX.fullmatch(digits) and len(digits) in (2 * size * dim for size in _RAW):
        return _from_binary(bytes.fromhex(digits), dim)
    data = _base64(compact) if _BASE64.fullmatch(compact) else None
    if data is None:
        raise ValueError(
            f"expected a vector of {dim} numbers as JSON, with commas between them, or in base64, got a "
            f"text of {len(text):,} characters"
        )
    return _from_binary(data, dim)


def _from_json(value: Any, dim: int) -> NDArray[np.float64]:
    if isinstance(value, str):
        # A text in quotes is shorter than with them.
        return _from_text(value, dim)
    if not isinstance(value, list | dict):
        raise ValueError(f"expected a JSON list of {dim} numbers, got {_kind(value)}")
    lists = list(_lists(value))
    fitting = [found for found in lists if len(found) == dim]
    if not fitting and isinstance(value, dict):
        encoded = list(_encoded(value, dim))
        if len(encoded) == 1:
            return encoded[0]
    if len(fitting) == 1 or len(lists) == 1:
        return _from_list((fitting or lists)[0], dim)
    raise ValueError(
        f"expected a JSON list of {dim} numbers, got an object with {len(lists)} lists, {len(fitting)} of "
        "them of this length"
    )


def _encoded(value: dict[str, Any], dim: int) -> Iterator[NDArray[np.float64]]:
    """Yield the vectors that the texts of an object encode."""
    for part in value.values():
        if isinstance(part, str):
            with contextlib.suppress(ValueError):
                yield _from_text(part, dim)


def _lists(value: Any) -> Iterator[list[Any]]:
    """Yield the lists of a value of JSON, without those that hold a single list or object."""
    left = [value]
    while left:
        part = left.pop()
        while isinstance(part, list) and len(part) == 1 and isinstance(part[0], list | dict):
            part = part[0]
        if isinstance(part, list):
            yield part
        elif isinstance(part, dict):
            left += part.values()


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


def _separated(text: str) -> list[float] | None:
    """Return the numbers of a list as text, None if they are something else."""
    closing = BRACKETS.get(text[:1])
    inner = text[1:-1].strip() if closing is not None and text.endswith(closing) else text
    # Programs that write each number with its comma write one after the last.
    inner = inner[:-1].rstrip() if inner.endswith((",", ";")) else inner
    try:
        return [_float(word) for word in _SEPARATOR.split(inner)] if inner else []
    except ValueError:
        return None


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
