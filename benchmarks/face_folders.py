"""Folders of many faces: made ones, where a stopped run goes on with the next, and copies of photographs."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from tqdm import tqdm

from recognition.images import temporary_folder


def fill_folders(
    out: Path, count: int, per_folder: int, write: Callable[[Path, range], None], *, title: str, digits: int
) -> None:
    """Fill numbered folders with faces; those that an earlier run finished stay.

    Args:
        out: The folder of the folders, which exists.
        count: The number of faces.
        per_folder: The number of faces of each folder but the last.
        write: Writes the faces of some numbers, a file each, to a folder.
        title: What is made, beside the progress bar.
        digits: Digits of a folder's name, at least.
    """
    for first in tqdm(range(0, count, per_folder), desc=title, unit="folder"):
        numbers = range(first, min(count, first + per_folder))
        folder = out / f"{first // per_folder:0{digits}d}"
        if folder.is_dir():
            if len(list(folder.iterdir())) == len(numbers):
                continue
            shutil.rmtree(folder)
        with temporary_folder(out, folder.name) as work:
            write(work, numbers)
            work.rename(folder)


def make_folder(out: Path) -> None:
    """Make a new folder, with those above it, and exit with one line if it cannot be made."""
    try:
        out.mkdir(parents=True)
    except OSError as error:
        raise SystemExit(f"{out}: cannot be made ({error.strerror}); choose another --out") from None


def copy_faces(paths: Iterable[Path], out: Path) -> None:
    """Copy faces to a new folder, each to a folder of its person's name, and exit if it cannot be made.

    Args:
        paths: The faces, each in a folder of its person's name.
        out: The folder, which does not exist.
    """
    make_folder(out)
    for path in paths:
        (out / path.parent.name).mkdir(exist_ok=True)
        shutil.copyfile(path, out / path.parent.name / path.name)
