"""Sources of labelled faces: folders, and lists in CSV.

A source has the keys of each identity's faces and reads one face by its key. The keys of folders and lists
are files. Another kind of source, such as a record file, is one more entry of `SOURCES`; its keys may be
paths of no file (`train.rec/17`) if its `read` knows them.
"""

import csv
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from torch import Tensor

from recognition.data.dataset import read_aligned
from recognition.data.faces import check_aligned
from recognition.data.folders import read_folders
from recognition.errors import InputError, one_line
from recognition.files import is_file, open_regular
from recognition.images import SUFFIXES, atomic_path

#: Columns of a list that are read; it may have more.
FILE, IDENTITY, KEPT = "file", "identity", "kept"
#: Largest list in bytes; one of five million faces has 200 MB.
MAX_LIST = 1 << 30


@dataclass(frozen=True)
class FaceSource:
    """Labelled aligned faces.

    Args:
        identities: Keys of the faces by identity.
        read: Returns the float image, shape (3, 112, 112) in [0, 1], of a key.
        check: Raises an InputError if it is plain without decoding that a face cannot be read.
    """

    identities: dict[str, list[Path]]
    read: Callable[[Path], Tensor] = read_aligned
    check: Callable[[Path], None] = lambda key: None


def open_source(path: str | os.PathLike[str]) -> FaceSource:
    """Return the labelled faces of a folder with one folder per identity, or of a list (.csv).

    Raises:
        InputError: If it is neither, or has no faces.
    """
    return SOURCES.get(Path(path).suffix.lower(), _open_folders)(Path(path))


def open_unlabelled(path: str | os.PathLike[str]) -> FaceSource:
    """Return aligned faces whose identities do not count, as those of one identity.

    They are those of a folder and all folders below it, or of anything else that `open_source` takes.

    Raises:
        InputError: If there are no faces.
    """
    path = Path(path)
    if not path.is_dir():
        source = open_source(path)
        return replace(source, identities={"": [key for keys in source.identities.values() for key in keys]})
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
    if not files:
        raise InputError(f"{path}: expected a folder of aligned faces, found no image; check the path")
    return FaceSource({"": files}, check=check_aligned)


def _open_folders(path: Path) -> FaceSource:
    return FaceSource(read_folders(path), check=check_aligned)


def _open_list(path: Path) -> FaceSource:
    if path.is_dir():
        return _open_folders(path)
    return FaceSource(read_list(path), check=check_aligned)


def read_list(path: str | os.PathLike[str]) -> dict[str, list[Path]]:
    """Return the files by identity, sorted by name, of a CSV list with the columns `file` and `identity`.

    Files are relative to the list's folder. Rows with "no" in the optional column `kept` are left out. A file
    that does not exist stays in the list, for its reader to leave out; but one at least must exist.

    Raises:
        InputError: If it is not such a list, or none of its files exists.
    """
    path = Path(path)
    identities: dict[str, list[Path]] = {}
    seen: set[tuple[str, str]] = set()
    found, missing = False, None
    try:
        # Names of files may be any bytes.
        with io.TextIOWrapper(
            open_regular(path, "a list", MAX_LIST), newline="", encoding="utf-8-sig", errors="surrogateescape"
        ) as file:
            for name, listed in _rows(file, path):
                face = path.parent / listed
                if is_file(face):
                    found = True
                else:
                    missing = missing or face
                if (name, listed) in seen:
                    raise InputError(f"{path}: expected each file once, got {listed} of {name} again")
                seen.add((name, listed))
                identities.setdefault(name, []).append(face)
    except InputError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: expected a CSV list, got something else ({one_line(error)})") from None
    if missing is not None and not found:
        raise InputError(f"{path}: expected its files beside it, {missing} is not there")
    if not identities:
        raise InputError(f"{path}: expected a list of faces, found none in it")
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
    """Write a list that `read_list` reads, completely or not at all.

    Args:
        path: The list's file.
        rows: Rows with the same columns, among them `file`, relative to the working directory, and
            `identity`.
    """
    folder = Path(path).resolve().parent
    with (
        atomic_path(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({**row, FILE: os.path.relpath(Path(row[FILE]).resolve(), folder)})


#: Readers by the ending of the path; any other path is a folder.
SOURCES: dict[str, Callable[[Path], FaceSource]] = {".csv": _open_list}
