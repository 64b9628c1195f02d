"""Photographs of faces to crops and templates: two compared, one looked for among many."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recognition.data.folders import read_folders
from recognition.detection.alignment import ALIGNED_SIZE, crop_at, find_face
from recognition.errors import InputError, NoFaceError
from recognition.images import list_images, read_image, to_tensor
from recognition.metrics.identification import search
from recognition.recogniser import EMBEDDING_BATCH, Recogniser, embed


def aligned_face(path: str | os.PathLike[str], *, face: int = 1) -> NDArray[np.uint8]:
    """The aligned crop of a photograph's largest face; a 112x112 image is taken for a crop itself.

    Raises:
        InputError: the photograph cannot be read.
        NoFaceError: there is no such face in it.
    """
    photograph = read_image(path)
    if photograph.shape[:2] == (ALIGNED_SIZE, ALIGNED_SIZE):
        return photograph
    return crop_at(photograph, find_face(photograph, name=str(path), face=face))


def templates(recogniser: Recogniser, crops: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Templates of aligned crops, flip averaged, unit norm, (crops, dim)."""
    images = torch.stack([to_tensor(crop) for crop in crops])
    return embed(recogniser, images.split(EMBEDDING_BATCH))


def side_by_side(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two crops on one white sheet, uint8."""
    border = 8
    height, width = first.shape[:2]
    sheet = np.full((height + 2 * border, 2 * width + 3 * border, 3), 255, dtype=np.uint8)
    sheet[border : border + height, border : border + width] = first
    sheet[border : border + height, 2 * border + width : 2 * (border + width)] = second
    return sheet


@dataclass(frozen=True)
class Match:
    """One entry of a ranked list: an identity, its photograph that is most similar, and how similar."""

    identity: str
    photograph: Path
    similarity: float


@dataclass(frozen=True)
class Gallery:
    """Enrolled photographs: templates, (entries, dim), with identity and file of each; and those left out."""

    templates: NDArray[np.float32]
    identities: tuple[str, ...]
    photographs: tuple[Path, ...]
    left_out: tuple[Path, ...]


def enrol(recogniser: Recogniser, folder: str | os.PathLike[str]) -> Gallery:
    """Enrol a folder per identity, or the photographs of one folder, each an identity of its own.

    Photographs without a face, or damaged ones, are left out.

    Raises:
        InputError: there is no photograph with a face.
    """
    folder = Path(folder)
    flat = list_images(folder) if folder.is_dir() else []
    people = {path.stem: [path] for path in flat} if flat else read_folders(folder)
    crops, identities, photographs, left_out = [], [], [], []
    for name, paths in people.items():
        for path in paths:
            try:
                crops.append(aligned_face(path))
            except InputError:
                left_out.append(path)
                continue
            identities.append(name)
            photographs.append(path)
    if not crops:
        raise NoFaceError(f"{folder}: expected photographs with a face, the detector found none in them")
    return Gallery(templates(recogniser, crops), tuple(identities), tuple(photographs), tuple(left_out))


def rank(template: NDArray[np.float32], gallery: Gallery, *, top: int) -> list[Match]:
    """The `top` identities by the similarity of their best photograph, the best first.

    Args:
        template: (dim,), unit norm.
    """
    found = search(template[None], gallery.templates, top=len(gallery.templates))
    ranked: dict[str, Match] = {}
    for index, similarity in zip(found.indices[0].tolist(), found.similarities[0].tolist(), strict=True):
        name = gallery.identities[index]
        ranked.setdefault(name, Match(name, gallery.photographs[index], similarity))
    return list(ranked.values())[:top]
