"""Records in JSON: one value, or one on each line, and what programs wrap around a list of them."""

from collections import deque
from collections.abc import Iterator
from io import BufferedReader
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from recognition.errors import InputError, one_line
from recognition.files import MAX_WEIGHTS, open_regular, parse_json, printable, read_text
from recognition.identity_names import means_identity
from recognition.vectors import is_vector

#: Largest file that is one JSON value: Python takes up to 24 bytes of memory for one of its text. Rows that
#: stand one on a line are read one by one, and may have any number.
MAX_DOCUMENT = 256 << 20
#: Bytes at the beginning of a file that show whether it is JSON.
_BEGINNING = 4096
#: Longest first line in bytes that may be a value of JSON by itself.
_LONGEST_LINE = 16 << 20
#: Objects in each other in which a record's parts, or a list of records, are looked for.
_DEPTH = 4
#: Records of a list of which one must have a vector.
TRIED = 100


def read_document(path: Path, what: str, max_bytes: int = MAX_WEIGHTS) -> Any:
    """Return the JSON value that a file is, or None: it has one value on each line, or is no JSON.

    Args:
        path: The file.
        what: What it holds, in error messages, such as "class centres".
        max_bytes: Largest file, whatever is in it.

    Raises:
        InputError: If a file that ends in .json is something else, or is too large.
    """
    with open_regular(path, f"a table of {what}", max_bytes) as file:
        beginning = file.read(_BEGINNING).removeprefix(b"\xef\xbb\xbf").lstrip()
        file.seek(0)
        lines = beginning.startswith((b"[", b"{")) and _has_lines(file)
        size = file.seek(0, 2)
    if lines or not beginning.startswith((b"[", b"{")):
        return None
    is_json = path.suffix.lower() == ".json"
    if size > MAX_DOCUMENT:
        if not is_json:
            return None
        raise InputError(
            f"{printable(path)}: expected JSON of at most {MAX_DOCUMENT:,} bytes, got {size:,}; write one "
            f"list on each line, as .jsonl, or save the {what} as .npy"
        )
    try:
        return parse_json(read_text(path, f"a table of {what}", MAX_DOCUMENT))
    except InputError:
        raise
    except ValueError as error:
        if not is_json or (isinstance(error, JSONDecodeError) and error.msg == "Extra data"):
            return None
        raise InputError(
            f"{printable(path)}: expected {what} as JSON, got something else ({one_line(error)}); "
            "write the file anew"
        ) from None


def _has_lines(file: BufferedReader) -> bool:
    """Return whether a file has a value of JSON on its first line and something after it."""
    line = file.readline(_LONGEST_LINE).removeprefix(b"\xef\xbb\xbf")
    try:
        parse_json(line.decode())
    except ValueError:
        return False
    return bool(file.read(_BEGINNING).strip())


def record_name(record: dict[str, Any]) -> str | None:
    """Return the identity in a record: its "name", or the value of another key that means an identity.

    Objects in the record, such as `payload` and `metadata`, are looked through, too.
    """
    found = [
        (path[-1], one)
        for path, one in leaves(record)
        if path and means_identity(path[-1]) and type(one) in (str, int)
    ]
    # Of a name and a number, the name.
    found.sort(key=lambda part: ("name" not in part[0].lower(), isinstance(part[1], int)))
    return str(found[0][1]) if found else None


def wrapped_records(value: Any, dim: int) -> list[Any] | None:
    """Return the records in objects around their list, such as in `{"data": [{...}, {...}]}`.

    Args:
        value: A value of JSON.
        dim: Number of dimensions of the vectors in records.

    Returns:
        The one list of objects with vectors in them; None if there are several, or vectors beside it.
    """
    if not isinstance(value, dict):
        return None
    found = None
    for _, part in leaves(value):
        records = isinstance(part, list) and all(isinstance(one, dict) for one in part)
        if any(is_vector(one, dim) for one in (part[:TRIED] if records else [part])):
            if found is not None or not records:
                return None
            found = part
    return found


def leaves(value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield what is in the objects of a record, with the keys that lead to it.

    Lists are not looked into, but that of a single object is taken for the object.
    """
    left: deque[tuple[tuple[str, ...], Any]] = deque([((), value)])
    while left:
        path, part = left.popleft()
        part = _single(part)
        if isinstance(part, dict) and len(path) < _DEPTH:
            left += [((*path, key), one) for key, one in part.items()]
        else:
            yield path, part


def leaf(value: Any, path: tuple[str, ...]) -> Any:
    """Return what is at the end of some keys of a record; None if nothing is."""
    for key in path:
        value = _single(value)
        value = value.get(key) if isinstance(value, dict) else None
    return _single(value)


def _single(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) else value
