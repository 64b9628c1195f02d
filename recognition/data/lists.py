"""Lists of faces in CSV, with the columns `file` and `identity`."""

import csv
import io
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from recognition.data.encoded import is_inside
from recognition.data.keys import NumberedKeys, number_of
from recognition.errors import InputError, one_line
from recognition.files import is_file, open_regular
from recognition.images import atomic_path

#: Columns of a list that are read; it may have more.
FILE, IDENTITY, KEPT = "file", "identity", "kept"
#: Largest list in bytes; one of five million faces has 200 MB.
MAX_LIST = 1 << 30


class _Keys:
    """The keys of one identity while a list is read: those inside one file have 8 bytes each."""

    def __init__(self) -> None:
        self._inside: dict[Path, array[int]] = {}
        self._files: list[Path] = []

    def add(self, key: Path) -> None:
        """Add a key."""
        number = number_of(key)
        if number is not None and is_inside(key):
            self._inside.setdefault(key.parent, array("q")).append(number)
        else:
            self._files.append(key)

    def build(self) -> tuple[Sequence[Path], Path | None]:
        """Return the keys, and one that was added twice, if there is one."""
        parts: list[Sequence[Path]] = [self._files] if self._files else []
        twice = _repeated(self._files)
        for container, numbers in self._inside.items():
            values, counts = np.unique(np.array(numbers, dtype=np.int64), return_counts=True)
            if (counts > 1).any():
                twice = container / str(int(values[counts > 1][0]))
            parts.append(NumberedKeys(container, np.array(numbers, dtype=np.int64)))
        return parts[0] if len(parts) == 1 else [key for part in parts for key in part], twice


def _repeated(keys: list[Path]) -> Path | None:
    seen: set[Path] = set()
    for key in keys:
        if key in seen:
            return key
        seen.add(key)
    return None


def read_list(path: str | os.PathLike[str]) -> dict[str, Sequence[Path]]:
    """Return the keys by identity, sorted by name, of a CSV list with the columns `file` and `identity`.

    Files are relative to the list's folder; a face inside another file has its key there, such as
    `faces/train.rec/17`. Rows with "no" in the optional column `kept` are left out. A file that does not
    exist stays in the list, for its reader to leave out; but one at least must exist.

    Raises:
        InputError: If it is not such a list, or none of its files exists.
    """
    path = Path(path)
    identities: dict[str, _Keys] = {}
    exists: dict[Path, bool] = {}
    found, missing = False, None
    try:
        # Names of files may be any bytes.
        with io.TextIOWrapper(
            open_regular(path, "a list", MAX_LIST), newline="", encoding="utf-8-sig", errors="surrogateescape"
        ) as file:
            for name, listed in _rows(file, path):
                key = path.parent / listed
                if is_inside(key):
                    there = exists.setdefault(key.parent, key.parent in exists or is_file(key.parent))
                else:
                    there = is_file(key)
                found = found or there
                missing = missing or (None if there else key)
                identities.setdefault(name, _Keys()).add(key)
    except InputError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: expected a CSV list, got something else ({one_line(error)})") from None
    if missing is not None and not found:
        raise InputError(f"{path}: expected its files beside it, {missing} is not there")
    if not identities:
        raise InputError(f"{path}: expected a list of faces, found none in it")
    built = {}
    for name in sorted(identities):
        built[name], twice = identities.pop(name).build()
        if twice is not None:
            listed = os.path.relpath(twice, path.parent)
            raise InputError(f"{path}: expected each file once, got {listed} of {name} again")
    return built


def _rows(file: TextIO, path: Path) -> Iterator[tuple[str, str]]:
    rows = csv.DictReader(file)
    if missing := {FILE, IDENTITY} - set(rows.fieldnames or ()):
        raise InputError(
            f"{path}: expected a list with the columns {FILE} and {IDENTITY}, found no "
            f"{' and no '.join(sorted(missing))}"
        )
    for row in rows:
        if not row[FILE] or not row[IDENTITY]:
            raise InputError(f"{path}: expected a file and an identity in line {rows.line_num}")
        if row.get(KEPT, "yes") != "no":
            yield row[IDENTITY], row[FILE]


def write_list(path: str | os.PathLike[str], rows: Iterable[dict[str, str]]) -> None:
    """Write a list that `read_list` reads, completely or not at all.

    Args:
        path: The list's file.
        rows: Rows, at least one, with the same columns, among them `file`, relative to the working directory,
            and `identity`.
    """
    folder = Path(path).resolve().parent
    writer = None
    with (
        atomic_path(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(file, list(row))
                writer.writeheader()
            writer.writerow({**row, FILE: os.path.relpath(Path(row[FILE]).resolve(), folder)})
