"""Where labelled faces come from: one small interface, and the forms that are read.

A source says which identities there are, and reads one face by its key. Folders and lists key faces by
their file. Another form, such as a record file, is one more function in `SOURCES`, whose keys may be
paths that no file has (`train.rec/17`), with a `read` that knows them.
"""

import csv
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from torch import Tensor

from recognition.data.dataset import read_aligned
from recognition.data.folders import read_folders
from recognition.errors import InputError
from recognition.images import atomic_path

#: A list's columns that are read; it may have others.
FILE, IDENTITY, KEPT = "file", "identity", "kept"


@dataclass(frozen=True)
class FaceSource:
    """Labelled aligned faces.

    Args:
        identities: name to the keys of its faces.
        read: a key to a float (3, 112, 112) image in [0, 1].
    """

    identities: dict[str, list[Path]]
    read: Callable[[Path], Tensor] = read_aligned


def open_source(path: str | os.PathLike[str]) -> FaceSource:
    """Labelled faces of a folder (a folder per identity) or of a list (.csv).

    Raises:
        InputError: it is neither, or there are no faces in it.
    """
    return SOURCES.get(Path(path).suffix.lower(), _open_folders)(Path(path))


def _open_folders(path: Path) -> FaceSource:
    return FaceSource(read_folders(path))


def _open_list(path: Path) -> FaceSource:
    if path.is_dir():
        return _open_folders(path)
    return FaceSource(read_list(path))


def read_list(path: str | os.PathLike[str]) -> dict[str, list[Path]]:
    """Identities of a CSV list with the columns `file` and `identity`, sorted by name.

    Files are relative to the list's folder. Rows whose column `kept`, if there is one, says no are
    left out.

    Raises:
        InputError: it is no such list, or a file of it is not there.
    """
    path = Path(path)
    identities: dict[str, list[Path]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for name, listed in _rows(file, path):
                identities.setdefault(name, []).append(path.parent / listed)
    except FileNotFoundError:
        raise InputError(f"{path}: expected a list, found no such file; check the path") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: expected a CSV list, got something else ({error})") from None
    if not identities:
        raise InputError(f"{path}: expected a list of faces, found none in it")
    for face in (face for files in identities.values() for face in files):
        if not face.is_file():
            raise InputError(f"{path}: expected its files beside it, {face} is not there")
    return dict(sorted(identities.items()))


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


def write_list(path: str | os.PathLike[str], rows: list[dict[str, str]]) -> None:
    """Write a list that `read_list` reads, whole or not at all.

    Args:
        rows: all with the same columns, `file` (a path from here) and `identity` among them.
    """
    folder = Path(path).resolve().parent
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({**row, FILE: os.path.relpath(Path(row[FILE]).resolve(), folder)})


#: How a path with an ending is read; folders have none.
SOURCES: dict[str, Callable[[Path], FaceSource]] = {".csv": _open_list}
