"""Faces that a decoder is trained on, and their templates."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from arcinvert.knowledge.public_photographs import PhotographCollector, PublicPhotographs
from arcinvert.knowledge.synthetic_faces import COUNT, draw_faces
from recognition.checkpoint import sha256
from recognition.data.faces import read_face
from recognition.errors import InputError
from recognition.images import list_images_below, resized
from recognition.recogniser import EMBEDDING_BATCH, Recogniser

#: The comment in the JPEG file of a mixture of faces, see `benchmarks.mixed_faces`, and how many bytes of the
#: file are searched for it.
MIXTURE, _HEAD = b"arcinvert: a mixture of two faces", 1024
#: Receives the number of faces that are done, and of all.
OnFace = Callable[[int, int], None]


@dataclass(frozen=True)
class TrainingFaces:
    """Aligned faces in memory.

    Args:
        crops: Shape (faces, 3, side, side), uint8 RGB.
        kind: What they are, for reports, such as `public faces` or `synthetic faces`.
        photographs: The list of the photographs; None if they are none, or not known.
        mixtures: The numbers of those that are mixtures of other faces.
    """

    crops: Tensor
    kind: str
    photographs: PublicPhotographs | None = None
    mixtures: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.crops)

    def describe(self, indices: Tensor) -> str:
        """Return what some of the faces are, with their numbers, for reports."""
        mixed = len(self.mixtures.intersection(indices.tolist()))
        unmixed = f"{len(indices) - mixed:,} {self.kind}"
        return f"{mixed:,} mixtures of faces and {unmixed}" if mixed else unmixed

    def images(self, indices: Tensor, size: int) -> Tensor:
        """Return some of the faces, (indices, 3, size, size) in [0, 1]."""
        return resized(self.crops[indices].float() / 255, size)


def read_faces(
    folder: Path,
    size: int,
    *,
    progress: OnFace = lambda done, total: None,
    left_out: Callable[[Path], None] = lambda photograph: None,
) -> TrainingFaces:
    """Read all faces of a folder, photographs or aligned crops, and of all folders below it.

    Those in a folder below it are listed as of the person whose name that folder has. Mixtures of faces are
    known by their comment, and are nobody's.

    Args:
        folder: The folder.
        size: The side of the crops, pixels.
        progress: Receives the number of images that are done and of all.
        left_out: Receives each photograph that is damaged or has no face.

    Raises:
        InputError: If there is no face.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of faces, found none; check --images")
    paths = list_images_below(folder)
    crops: list[Tensor] = []
    listed = PhotographCollector()
    mixtures: set[int] = set()
    for number, path in enumerate(paths, 1):
        progress(number, len(paths))
        try:
            crop = read_face(path, size)
        except InputError:
            left_out(path)
            continue
        mixed = _is_mixture(path)
        if mixed:
            mixtures.add(len(crops))
        listed.add(sha256(path), crop, None if mixed or path.parent == folder else path.parent.name)
        crops.append(torch.from_numpy(np.array(crop)).movedim(-1, 0).contiguous())
    if not crops:
        raise InputError(f"{folder}: expected photographs of faces, found none; check --images")
    return TrainingFaces(torch.stack(crops), "public faces", listed.result(), frozenset(mixtures))


def _is_mixture(path: Path) -> bool:
    with path.open("rb") as file:
        return MIXTURE in file.read(_HEAD)


def draw(size: int, count: int = COUNT) -> TrainingFaces:
    """Draw synthetic faces.

    Args:
        size: The side of the crops, pixels.
        count: The number of faces.
    """
    crops = [(batch * 255).round().to(torch.uint8) for batch in draw_faces(count, size=size)]
    return TrainingFaces(torch.cat(crops), "synthetic faces")


@torch.no_grad()
def templates_of(
    recogniser: Recogniser,
    faces: TrainingFaces,
    *,
    dtype: torch.dtype = torch.float32,
    progress: OnFace = lambda done, total: None,
) -> Tensor:
    """Return the unit-norm templates of faces and of their mirror images, (faces, 2, dim), on the CPU."""
    rows, device = [], recogniser.device
    for indices in torch.arange(len(faces)).split(EMBEDDING_BATCH):
        images = faces.images(indices, recogniser.input_size).to(device)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            rows.append(torch.stack([recogniser(images), recogniser(images.flip(-1))], 1).float().cpu())
        progress(int(indices[-1]) + 1, len(faces))
    return torch.cat(rows)
