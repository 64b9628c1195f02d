"""Sets of images as templates, in the files by which InsightFace distributes IJB-B and IJB-C.

A folder has `loose_crop/`, the photographs, and `meta/` with, for the prefix `ijbc` or another one:

- `ijbc_face_tid_mid.txt`: the image, its template and its medium (a photograph, or a film of several images);
- `ijbc_name_5pts_score.txt`: the image, its five landmarks (x and y each) and the detector's score, in the
  same order;
- `ijbc_template_pair_label.txt`: two templates, and 1 if they are of one person;
- for identification, `ijbc_1N_gallery_*.csv` and `ijbc_1N_probe_mixed.csv`: template and person in the first
  two columns, after a header.

Source: InsightFace, recognition/arcface_torch/eval_ijbc.py and recognition/_evaluation_/ijb/ijb_1n.py.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recognition.data.encoded import read_encoded
from recognition.detection.alignment import ALIGNED_SIZE, Face, crop_at
from recognition.errors import InputError, one_line
from recognition.files import open_regular, printable
from recognition.images import decode_image, to_tensor

_IMAGES, _PAIRS = "_face_tid_mid.txt", "_template_pair_label.txt"
#: Largest file in bytes: the pairs of IJB-C have 15.7 million lines and 200 MB.
_MAX_BYTES = 4 << 30
#: Lines that are parsed at once.
_LINES = 1 << 18


@dataclass(frozen=True)
class TemplateImages:
    """The images of a protocol's templates.

    Args:
        folder: The folder of the photographs.
        names: Shape (images,), the file of each.
        templates: Shape (images,), the template that each belongs to, by its number in the protocol.
        media: Shape (images,), the medium that each is of.
        points: Shape (images, 5, 2), landmarks in pixels; None where images are aligned.
        scores: Shape (images,), how sure the detector was; ones where it is not known.
    """

    folder: Path
    names: NDArray[np.str_]
    templates: NDArray[np.int64]
    media: NDArray[np.int64]
    points: NDArray[np.float64] | None
    scores: NDArray[np.float64]

    def read(self, number: int) -> Tensor:
        """Return an aligned image, shape (3, 112, 112) in [0, 1].

        Raises:
            InputError: If it cannot be read, or its landmarks coincide.
        """
        path = self.folder / str(self.names[number])
        image = decode_image(read_encoded(path), name=printable(path))
        if self.points is not None:
            box = (0.0, 0.0, float(image.shape[1]), float(image.shape[0]))
            return to_tensor(crop_at(image, Face(box, self.points[number])))
        if image.shape[:2] != (ALIGNED_SIZE, ALIGNED_SIZE):
            raise InputError(
                f"{printable(path)}: expected an aligned {ALIGNED_SIZE}x{ALIGNED_SIZE} crop, got "
                f"{image.shape[1]}x{image.shape[0]}; give the landmarks in a *_name_5pts_score.txt"
            )
        return to_tensor(image)


@dataclass(frozen=True)
class TemplateProtocol:
    """A protocol of templates.

    Args:
        images: The images of the templates.
        pairs: The file of pairs for verification, or None.
        galleries: The files of galleries for identification; empty without them.
        probes: The file of their probes, or None.
    """

    images: TemplateImages
    pairs: Path | None
    galleries: tuple[Path, ...]
    probes: Path | None


def read_protocol(folder: Path) -> TemplateProtocol:
    """Return the protocol in a folder.

    Raises:
        InputError: If it has no such files, or they contradict each other.
    """
    meta = folder / "meta"
    found = sorted(meta.glob(f"*{_IMAGES}")) if meta.is_dir() else []
    if len(found) != 1:
        raise InputError(
            f"{printable(folder)}: expected one meta/*{_IMAGES} as InsightFace's IJB folders have, found "
            f"{len(found)}; check the path"
        )
    prefix = found[0].name.removesuffix(_IMAGES)
    columns = _table(found[0], 3, "an image, a template and a medium")
    names = np.array([row[0] for row in columns])
    numbers = _integers(found[0], [row[1:] for row in columns])
    points, scores = _landmarks(meta / f"{prefix}_name_5pts_score.txt", names)
    images = TemplateImages(folder / "loose_crop", names, numbers[:, 0], numbers[:, 1], points, scores)
    pairs, probes = meta / f"{prefix}{_PAIRS}", meta / f"{prefix}_1N_probe_mixed.csv"
    return TemplateProtocol(
        images,
        pairs if pairs.exists() else None,
        tuple(sorted(meta.glob(f"{prefix}_1N_gallery_*.csv"))),
        probes if probes.exists() else None,
    )


def read_template_pairs(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return the templates on both sides of each pair, and whether they are of one person, each (pairs,).

    Raises:
        InputError: If it is no such file.
    """
    first, second, mated = [], [], []
    with open_regular(path, "pairs of templates", _MAX_BYTES) as file:
        for block in _blocks(file, path):
            table = _integers(path, block, columns=3)
            if not np.isin(table[:, 2], (0, 1)).all():
                raise InputError(f"{printable(path)}: expected 0 or 1 in the third column, got another")
            first.append(table[:, 0].astype(np.int32))
            second.append(table[:, 1].astype(np.int32))
            mated.append(table[:, 2] == 1)
    if not first:
        raise InputError(f"{printable(path)}: expected pairs of templates, found none in it")
    return (
        np.concatenate(first).astype(np.int64),
        np.concatenate(second).astype(np.int64),
        np.concatenate(mated),
    )


def read_people(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the templates of a gallery or of probes, each once, and their people, both (templates,).

    Raises:
        InputError: If it is no such file, or a template has two people.
    """
    with open_regular(path, "templates and people", _MAX_BYTES) as file:
        file.readline()
        rows = [line.decode("utf-8", "replace").split(",")[:2] for line in file if line.strip()]
    table = _integers(path, rows, columns=2)
    unique = np.unique(table, axis=0)
    if len(np.unique(unique[:, 0])) < len(unique):
        raise InputError(
            f"{printable(path)}: expected one person of each template, got several; check the file"
        )
    return unique[:, 0], unique[:, 1]


def _landmarks(path: Path, names: NDArray[np.str_]) -> tuple[NDArray[np.float64] | None, NDArray[np.float64]]:
    if not path.exists():
        return None, np.ones(len(names))
    rows = _table(path, 12, "an image, five points and a score")
    if [row[0] for row in rows] != names.tolist():
        raise InputError(
            f"{printable(path)}: expected the same images in the same order as *{_IMAGES}, got others; check "
            f"both"
        )
    try:
        numbers = np.array([row[1:] for row in rows], dtype=np.float64)
    except ValueError as error:
        raise InputError(
            f"{printable(path)}: expected numbers, got something else ({one_line(error)})"
        ) from None
    if not np.isfinite(numbers).all():
        raise InputError(f"{printable(path)}: expected finite numbers, got others; check the file")
    return numbers[:, :10].reshape(-1, 5, 2), numbers[:, 10]


def _table(path: Path, columns: int, what: str) -> list[list[str]]:
    """Return the words of each line.

    Raises:
        InputError: If there is no line, or one has another number of words.
    """
    rows: list[list[str]] = []
    with open_regular(path, what, _MAX_BYTES) as file:
        for block in _blocks(file, path):
            rows += block
    if not rows or any(len(row) != columns for row in rows):
        wrong = next((number for number, row in enumerate(rows, 1) if len(row) != columns), 0)
        raise InputError(f"{printable(path)}: expected {what} in each line, got another line {wrong}")
    return rows


def _blocks(file: IO[bytes], path: Path) -> Iterator[list[list[str]]]:
    """Yield the words of the lines of a file, block by block."""
    try:
        while lines := list(itertools.islice(file, _LINES)):
            yield [line.decode("utf-8").split() for line in lines if line.strip()]
    except UnicodeDecodeError:
        raise InputError(
            f"{printable(path)}: expected UTF-8 text, got something else; check the file"
        ) from None


def _integers(path: Path, rows: list[list[str]], columns: int = 2) -> NDArray[np.int64]:
    """Return rows of whole numbers, shape (rows, columns).

    Raises:
        InputError: If there is none, or something else in them.
    """
    try:
        table = np.array(rows, dtype=np.str_).astype(np.int64)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{printable(path)}: expected {columns} whole numbers in each line, got something else "
            f"({one_line(error)})"
        ) from None
    if (
        table.ndim != 2
        or table.shape[1] != columns
        or table.min() < 0
        or table.max() > np.iinfo(np.int32).max
    ):
        raise InputError(
            f"{printable(path)}: expected {columns} whole numbers from 0 to {np.iinfo(np.int32).max} in each "
            f"line, "
            "got others; check the file"
        )
    return table
