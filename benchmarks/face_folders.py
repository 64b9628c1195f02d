"""Folders of many made faces, filled one after the other, so that a stopped run goes on with the next."""

import shutil
from collections.abc import Callable
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
