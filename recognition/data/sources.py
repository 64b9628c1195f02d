"""Sources of labelled faces: folders, lists in CSV, and files with many faces in them.

A source has the keys of each identity's faces; `read_aligned` reads the face of any key
(`recognition.data.keys`). Another kind of source is one more entry of `SOURCES`, and where its faces lie in
other files one more entry of `recognition.data.encoded.CONTAINERS`.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from recognition.data.dataset import read_aligned
from recognition.data.faces import check_aligned
from recognition.data.folders import read_folders
from recognition.data.keys import labelled
from recognition.data.lists import read_list
from recognition.data.parquet_images import list_parquet
from recognition.data.records import RECORDS, list_records
from recognition.data.shards import list_shards
from recognition.errors import InputError
from recognition.images import list_images_below

Listing = tuple[Mapping[str, Sequence[Path]], Mapping[Path, InputError]]


@dataclass(frozen=True)
class FaceSource:
    """Labelled aligned faces.

    Args:
        identities: Keys of the faces by identity.
        read: Returns the float image, shape (3, 112, 112) in [0, 1], of a key.
        check: Raises an InputError if it is plain without decoding that a face cannot be read.
        unlisted: What is damaged so that it is not known whose faces it has, such as the record of a face or
            a truncated shard, with the error of each. It is no part of `identities`.
    """

    identities: Mapping[str, Sequence[Path]]
    read: Callable[[Path], Tensor] = read_aligned
    check: Callable[[Path], object] = lambda key: None
    unlisted: Mapping[Path, InputError] = field(default_factory=dict)


def open_source(path: str | os.PathLike[str]) -> FaceSource:
    """Return the labelled faces of a folder with one folder per identity, or of what `SOURCES` lists.

    A folder may also hold a record set, shards or Parquet files.

    Raises:
        InputError: If it is none of them, or has no faces.
    """
    path = Path(path)
    ending = _ending_inside(path) if path.is_dir() else path.suffix.lower()
    identities, unlisted = SOURCES.get(ending, _folders)(path)
    return FaceSource(identities, check=check_aligned, unlisted=unlisted)


def open_unlabelled(path: str | os.PathLike[str]) -> FaceSource:
    """Return aligned faces whose identities do not count, as those of one identity without a name.

    They are those of a folder and all folders below it, or of anything else that `open_source` takes.

    Raises:
        InputError: If there are no faces.
    """
    path = Path(path)
    if not path.is_dir() or _ending_inside(path):
        source = open_source(path)
        return replace(source, identities={"": labelled(source.identities).keys})
    files = list_images_below(path)
    if not files:
        raise InputError(f"{path}: expected a folder of aligned faces, found no image; check the path")
    return FaceSource({"": files}, check=check_aligned)


def _ending_inside(folder: Path) -> str:
    """Return the ending of the files with many faces in a folder; empty if it has none."""
    names = [entry.name for entry in os.scandir(folder) if entry.is_file()]
    if RECORDS in names:
        return ".rec"
    return next(
        (end for end in (".tar", ".parquet") if any(name.lower().endswith(end) for name in names)), ""
    )


def _folders(path: Path) -> Listing:
    return read_folders(path), {}


def _list(path: Path) -> Listing:
    return read_list(path), {}


def _verification_set(path: Path) -> Listing:
    raise InputError(
        f"{path}: expected faces of known identities, got a verification set, which has pairs only; use it "
        f"with "
        "'python -m recognition evaluate verification'"
    )


#: Readers by the ending of the path; any other path is a folder.
SOURCES: dict[str, Callable[[Path], Listing]] = {
    ".csv": _list,
    ".rec": list_records,
    ".tar": list_shards,
    ".parquet": list_parquet,
    ".bin": _verification_set,
}
