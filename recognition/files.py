"""Files that others wrote, and names that others chose.

Every reader of this package opens its files here: only regular files of a bearable size are read, because a
pipe or a device may have no end, and every failure is an `InputError`. Names of people and of photographs
become names of files by `safe_name`, and words in reports by `printable`.
"""

import functools
import hashlib
import json
import os
import stat
from collections import Counter
from collections.abc import Callable, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeVar

from recognition.errors import InputError, one_line

#: Largest file of text (JSON, pair lists), in bytes. A curve of `evaluate` has 40 KB.
MAX_TEXT = 64 << 20
#: Largest file of weights, in bytes. IResNet-200 with a million class centres has 3 GB.
MAX_WEIGHTS = 16 << 30
#: Most digits of an integer in a file of text; a longer one fits no type of numpy or torch.
MAX_DIGITS = 18
#: Bytes at the beginning of a file that show what it is; tar has its name at 257.
_BEGINNING = 512
#: The first bytes of files of gzip, bzip2, xz, Zstandard, 7-Zip and RAR. Source: the `magic` of file(1).
_PACKED = (
    b"\x1f\x8b\x08",
    b"BZh",
    b"\xfd7zXZ\0",
    b"\x28\xb5\x2f\xfd",
    b"7z\xbc\xaf\x27\x1c",
    b"Rar!\x1a\x07",
)
#: Longest name of a file, in bytes. Source: NAME_MAX of Linux's and macOS's file systems.
MAX_NAME = 255
#: Flags of `os.open` that not every system has: not to wait for a pipe's other end, no newline translation.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


Opened = TypeVar("Opened")


def refuse_input(out: str | os.PathLike[str], *inputs: str | os.PathLike[str] | None) -> None:
    """Refuse to write a file over one that is read.

    Args:
        out: The file to write.
        inputs: Files that are read; None, and what is no file, is none.

    Raises:
        InputError: If `out` is one of them.
    """
    for given in inputs:
        try:
            same = given is not None and Path(out).samefile(given)
        except (OSError, ValueError):
            continue
        if same:
            raise InputError(f"{printable(out)}: expected another file than one that is read; choose another")


def kept_open(
    *, most: int, beside: Sequence[str] = ()
) -> Callable[[Callable[[Path], Opened]], Callable[[Path], Opened]]:
    """Return a decorator of functions that open a file: one that has not changed since is not opened again.

    A file has changed if its size or its time of modification has.

    Args:
        most: The largest number of files that are kept.
        beside: The endings of files of the same name that belong to it, such as `.idx`.
    """

    def decorated(open_file: Callable[[Path], Opened]) -> Callable[[Path], Opened]:
        @functools.lru_cache(maxsize=most)
        def opened(path: Path, state: tuple[tuple[int, int], ...]) -> Opened:
            return open_file(path)

        @functools.wraps(open_file)
        def reopened(path: Path) -> Opened:
            try:
                found = [file.stat() for file in (path, *map(path.with_suffix, beside))]
            except (OSError, ValueError):
                # The error of the opening says more.
                return open_file(path)
            return opened(path, tuple((one.st_size, one.st_mtime_ns) for one in found))

        return reopened

    return decorated


def check_regular(path: str | os.PathLike[str], what: str, max_bytes: int | None = None) -> int:
    """Return the size in bytes of a regular file, for readers of other libraries that open files themselves.

    Args:
        path: The file; links are followed.
        what: What error messages call it, such as "a photograph".
        max_bytes: Largest size; None means any.

    Raises:
        InputError: If there is no such file, it is a folder, a pipe or a device, or it is larger.
    """
    try:
        return _check(os.stat(path), path, what, max_bytes)  # noqa: PTH116 - also of a name with a NUL
    except (OSError, ValueError) as error:
        raise _unreadable(path, what, error) from None


def open_regular(path: str | os.PathLike[str], what: str, max_bytes: int | None = None) -> BufferedReader:
    """Return a regular file, open for reading bytes. The arguments and errors are those of `check_regular`.

    Raises:
        InputError: If there is no such file, it cannot be read, it is a folder, a pipe or a device, or it is
            larger.
    """
    check_regular(path, what, max_bytes)
    try:
        descriptor = os.open(path, _FLAGS)
    except (OSError, ValueError) as error:
        raise _unreadable(path, what, error) from None
    try:
        # Another file may have taken its place since.
        _check(os.fstat(descriptor), path, what, max_bytes)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def refuse_stand_in(path: str | os.PathLike[str], what: str) -> None:
    """Refuse what is found in a file's place: a pointer of Git LFS, a web page, or the file packed.

    Raises:
        InputError: If the file is one of these, or cannot be read.
    """
    with open_regular(path, what) as file:
        beginning = file.read(_BEGINNING)
    if beginning.startswith(b"version https://git-lfs.github.com"):
        found = "a pointer of Git LFS; fetch the file itself: git lfs pull"
    elif beginning.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        found = "a web page; download the file itself, and look at the page in a browser"
    elif beginning.startswith(_PACKED) or beginning[257:262] == b"ustar":
        found = "a packed file; unpack it, and give the file in it"
    else:
        return
    raise InputError(f"{printable(path)}: expected {what}, got {found}")


def read_bytes(path: str | os.PathLike[str], what: str, max_bytes: int) -> bytes:
    """Return the content of a regular file. The arguments and errors are those of `open_regular`."""
    try:
        with open_regular(path, what, max_bytes) as file:
            # It may grow while it is read.
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise _unreadable(path, what, error) from None
    if len(data) > max_bytes:
        raise _too_large(path, what, len(data), max_bytes)
    return data


def read_text(path: str | os.PathLike[str], what: str, max_bytes: int = MAX_TEXT) -> str:
    """Return the content of a regular file in UTF-8, without a byte order mark.

    The arguments and errors are those of `open_regular`.

    Raises:
        InputError: Also if it is not UTF-8.
    """
    try:
        return read_bytes(path, what, max_bytes).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{path}: expected {what}, got something else (no UTF-8 text)") from None


def read_json(path: str | os.PathLike[str], what: str, max_bytes: int = MAX_TEXT) -> dict[str, Any]:
    """Return the object in a JSON file. The arguments and errors are those of `read_text`.

    Raises:
        InputError: Also if it is not JSON, or not an object.
    """
    text = read_text(path, what, max_bytes)
    try:
        content = parse_json(text)
    except ValueError as error:
        raise InputError(f"{path}: expected {what}, got something else ({one_line(error)})") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected {what}, got something else (JSON without an object)")
    return content


def parse_json(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: If it is not JSON, is nested too deeply, has an integer of more than `MAX_DIGITS`, or an
            object with one key twice, of which Python would drop the first value.
    """
    try:
        return json.loads(text, parse_int=parse_integer, object_pairs_hook=_each_once)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"expected each key once, got {twice[:40]!r} twice")
    return found


def parse_integer(text: str) -> int:
    """Return a decimal integer, which may have a minus sign.

    Raises:
        ValueError: If it is something else, or has more than `MAX_DIGITS`.
    """
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= MAX_DIGITS):
        raise ValueError(f"expected an integer of at most {MAX_DIGITS} digits, got {text[:40]!r}")
    return int(text)


def is_file(path: str | os.PathLike[str]) -> bool:
    """Return whether a path names a regular file; False for every name that no file can have.

    `Path.is_file` raises on names that are too long.
    """
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116
    except (OSError, ValueError):
        return False


def printable(name: str | os.PathLike[str]) -> str:
    r"""Return a name that every terminal, report and JSON reader accepts.

    Bytes that are not UTF-8, which Python keeps as lone surrogates, are written as `\xNN`.
    """
    return os.fspath(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def safe_name(name: str, ending: str = "", *, max_bytes: int = MAX_NAME) -> str:
    """Return a name for a file made of any text: without folders in it, and not too long.

    A name that must be changed ends with a hash of the whole, so that different names stay different; any
    other one is returned as it is, with the ending.

    Args:
        name: The text, such as the name of a person.
        ending: Ending of the file's name.
        max_bytes: Longest result in bytes.
    """
    whole = name.encode("utf-8", "surrogateescape")
    room = max_bytes - len(ending.encode())
    kept = "".join("_" if char in '/\\:*?"<>|' or ord(char) < 32 else char for char in name)
    if kept == name and name not in ("", ".", "..") and len(whole) <= room:
        return name + ending
    mark = f"-{hashlib.sha256(whole).hexdigest()[:8]}"
    return shorten(kept, room - len(mark)).strip(".") + mark + ending


def shorten(name: str, max_bytes: int) -> str:
    """Return the beginning of a file's name, at most this many bytes, without half a character."""
    cut = name.encode("utf-8", "surrogateescape")[: max(0, max_bytes)]
    # A character that was cut in two must go; bytes that were never UTF-8 stay as they are.
    for end in range(len(cut), max(0, len(cut) - 4), -1):
        kept = cut[:end].decode("utf-8", "surrogateescape")
        if name.startswith(kept):
            return kept
    return ""


def _check(found: os.stat_result, path: str | os.PathLike[str], what: str, max_bytes: int | None) -> int:
    if stat.S_ISDIR(found.st_mode):
        raise InputError(f"{path}: expected {what}, got a folder; name a file in it")
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path}: expected {what}, got a pipe or a device; copy it to a file first")
    if max_bytes is not None and found.st_size > max_bytes:
        raise _too_large(path, what, found.st_size, max_bytes)
    return found.st_size


def _too_large(path: str | os.PathLike[str], what: str, size: int, max_bytes: int) -> InputError:
    return InputError(
        f"{path}: expected {what} of at most {max_bytes:,} bytes, got {size:,}; use another file"
    )


def _unreadable(path: str | os.PathLike[str], what: str, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    if isinstance(error, FileNotFoundError | ValueError):
        # A name with a NUL is a ValueError; no file has it.
        return InputError(f"{path}: expected {what}, found no such file; check the path")
    reason = getattr(error, "strerror", None) or one_line(error)
    return InputError(f"{path}: cannot be read ({reason}); check its permissions")
