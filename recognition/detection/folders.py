"""Alignment of a folder of identities: photographs to aligned crops, which are reused."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from tqdm import tqdm

from recognition.data.faces import read_face
from recognition.data.folders import read_folders
from recognition.detection.search import check_detector
from recognition.errors import InputError, NoFaceError
from recognition.files import printable, safe_name
from recognition.images import atomic_path, write_png
from recognition.options import Detector

#: Number of photographs that a worker takes at once.
_CHUNK = 32


@dataclass(frozen=True)
class AlignmentReport:
    """The result of aligning a folder.

    Args:
        aligned: Number of new crops.
        cached: Number of crops that existed and were newer than their photograph.
        without_face: Photographs without a face, relative to the folder.
        unreadable: Photographs that could not be read, relative to the folder.
        others: Files that are no photographs of an identity, by their ending or their place.
    """

    aligned: int
    cached: int
    without_face: tuple[str, ...]
    unreadable: tuple[str, ...]
    others: tuple[str, ...] = ()


def align_folders(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    workers: int = 2,
    detector: Detector = "hog",
) -> AlignmentReport:
    """Write the aligned crop of every photograph's most central face, in one folder per identity.

    A crop that is newer than its photograph is kept. Photographs without a face, files that cannot be read,
    with the reason, and other files are listed in `destination`/align.json.

    Args:
        source: A folder with one folder of photographs per identity.
        destination: Where the crops are written.
        workers: Number of processes; 1 aligns in this process.
        detector: The detector of faces.

    Raises:
        InputError: If there is nothing to align, an option is out of range, or the destination cannot be
            written.
    """
    source, destination = Path(source), Path(destination)
    photographs = [path for paths in read_folders(source).values() for path in paths]
    check_detector(detector)
    if workers < 1:
        raise InputError(f"workers: expected at least 1 process, got {workers}")
    try:
        destination.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{destination}: cannot be made ({error.strerror}); choose another folder") from None
    outcomes: dict[str, list[str]] = {"aligned": [], "cached": [], "without_face": [], "unreadable": []}
    reasons = {}
    targets = _targets(photographs, source, destination)
    with tqdm(total=len(photographs), desc="align", unit="image") as bar:
        found = _align_all(photographs, targets, workers, detector)
        for path, (outcome, reason) in zip(photographs, found, strict=True):
            name = printable(path.relative_to(source))
            outcomes[outcome].append(name)
            if reason:
                reasons[name] = printable(reason)
            bar.update()
    others = _others(source, destination, set(photographs))
    listed = {
        **{key: outcomes[key] for key in ("without_face", "unreadable")},
        "reasons": reasons,
        "others": others,
    }
    with atomic_path(destination / "align.json") as temporary:
        temporary.write_text(json.dumps(listed, indent=1))
    return AlignmentReport(
        aligned=len(outcomes["aligned"]),
        cached=len(outcomes["cached"]),
        without_face=tuple(outcomes["without_face"]),
        unreadable=tuple(outcomes["unreadable"]),
        others=tuple(others),
    )


def _others(source: Path, destination: Path, photographs: set[Path]) -> list[str]:
    """Return the files of a folder that are not aligned, but for hidden ones and those that it wrote."""
    written = destination.resolve()
    found = []
    for place, folders, names in os.walk(source):
        folders[:] = [name for name in folders if Path(place, name).resolve() != written]
        if Path(place).resolve() == written:
            continue
        paths = (Path(place, name) for name in names if not name.startswith("."))
        found += [printable(path.relative_to(source)) for path in paths if path not in photographs]
    return sorted(found)


def _align_all(
    photographs: list[Path], targets: list[Path], workers: int, detector: Detector
) -> Iterator[tuple[str, str]]:
    """Align photographs, and yield the outcome of each, with the reason where it could not be read.

    Raises:
        InputError: If a process was killed, or a crop cannot be written.
    """
    align_one = partial(_align_one, detector=detector)
    if workers == 1:
        yield from map(align_one, photographs, targets)
        return
    try:
        # Spawned processes, because a forked one may inherit locks of torch's threads.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield from pool.map(align_one, photographs, targets, chunksize=_CHUNK)
    except BrokenExecutor:
        raise InputError(
            "align: a process ended before its work was done, probably for want of memory; use fewer "
            "--workers (finished crops are kept)"
        ) from None


def _targets(photographs: list[Path], source: Path, destination: Path) -> list[Path]:
    """Return the crops' paths: the photographs', with the ending replaced by .png or followed by it."""
    stems = Counter(path.with_suffix("") for path in photographs)
    targets = []
    for path in photographs:
        name = path.stem if stems[path.with_suffix("")] == 1 else path.name
        targets.append(destination / path.parent.relative_to(source) / safe_name(name, ".png"))
    return targets


def _align_one(photograph: Path, target: Path, detector: Detector) -> tuple[str, str]:
    try:
        if target.exists() and target.stat().st_mtime >= photograph.stat().st_mtime:
            return "cached", ""
        aligned = read_face(photograph, aligned=False, detector=detector)
    except NoFaceError:
        return "without_face", ""
    except (InputError, OSError) as error:
        # The photograph may have gone since the folder was listed.
        return "unreadable", str(error).removeprefix(f"{photograph}: ")
    try:
        target.parent.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{printable(target.parent)}: cannot be made ({error.strerror}); choose another folder"
        ) from None
    write_png(target, aligned)
    return "aligned", ""
