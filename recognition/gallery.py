"""Galleries of photographs: templates of faces, and the ranked list of a probe."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recognition.data.faces import read_face
from recognition.data.folders import read_folders
from recognition.detection.search import check_detector
from recognition.errors import InputError, NoFaceError
from recognition.images import list_images, to_tensor
from recognition.metrics.identification import search
from recognition.options import Detector
from recognition.recogniser import EMBEDDING_BATCH, Recogniser, embed

#: Width in pixels of the white border of `side_by_side`.
_BORDER = 8


def templates(recogniser: Recogniser, crops: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Return the templates of aligned crops, flip-averaged, unit norm, shape (crops, dim)."""
    images = torch.stack([to_tensor(crop) for crop in crops])
    return embed(recogniser, images.split(EMBEDDING_BATCH))


def side_by_side(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return two crops of the same size side by side on white, uint8 HWC."""
    height, width = first.shape[:2]
    sheet = np.full((height + 2 * _BORDER, 2 * width + 3 * _BORDER, 3), 255, dtype=np.uint8)
    sheet[_BORDER : _BORDER + height, _BORDER : _BORDER + width] = first
    sheet[_BORDER : _BORDER + height, 2 * _BORDER + width : 2 * (_BORDER + width)] = second
    return sheet


@dataclass(frozen=True)
class Match:
    """An entry of a ranked list.

    Args:
        identity: The identity's name.
        photograph: Its photograph that is most similar to the probe.
        similarity: Cosine similarity of that photograph and the probe.
    """

    identity: str
    photograph: Path
    similarity: float


@dataclass(frozen=True)
class Gallery:
    """Enrolled photographs.

    Args:
        templates: Shape (entries, dim), unit norm.
        identities: Name of each entry's identity.
        photographs: File of each entry.
        left_out: Files without a face, and damaged ones.
    """

    templates: NDArray[np.float32]
    identities: tuple[str, ...]
    photographs: tuple[Path, ...]
    left_out: tuple[Path, ...]


def enrol(recogniser: Recogniser, folder: str | os.PathLike[str], *, detector: Detector = "hog") -> Gallery:
    """Return the gallery of a folder, by the largest face of each photograph.

    Photographs without a face and damaged files are left out.

    Args:
        recogniser: The network that embeds the faces.
        folder: A folder with one folder per identity, or photographs, whose names without the
            ending are the identities.
        detector: The detector of faces.

    Raises:
        InputError: If there is no photograph with a face.
    """
    check_detector(detector)
    folder = Path(folder)
    flat = list_images(folder) if folder.is_dir() else []
    people = _by_name(flat) if flat else read_folders(folder)
    crops, identities, photographs, left_out = [], [], [], []
    for name, paths in people.items():
        for path in paths:
            try:
                crops.append(read_face(path, pick="largest", detector=detector))
            except InputError:
                left_out.append(path)
                continue
            identities.append(name)
            photographs.append(path)
    if not crops:
        raise NoFaceError(f"{folder}: expected photographs with a face, the detector found none in them")
    return Gallery(templates(recogniser, crops), tuple(identities), tuple(photographs), tuple(left_out))


def _by_name(photographs: list[Path]) -> dict[str, list[Path]]:
    people: dict[str, list[Path]] = {}
    for path in photographs:
        people.setdefault(path.stem, []).append(path)
    return people


def rank(template: NDArray[np.float32], gallery: Gallery, *, top: int) -> list[Match]:
    """Return the `top` identities by the similarity of their best photograph, the best first.

    Args:
        template: Shape (dim,), unit norm.
        gallery: The enrolled photographs.
        top: Length of the list.
    """
    found = search(template[None], gallery.templates, top=len(gallery.templates))
    ranked: dict[str, Match] = {}
    for index, similarity in zip(found.indices[0].tolist(), found.similarities[0].tolist(), strict=True):
        name = gallery.identities[index]
        ranked.setdefault(name, Match(name, gallery.photographs[index], similarity))
    return list(ranked.values())[:top]
