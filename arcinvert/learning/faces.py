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

#: Receives the number of faces that are done, and of all.
OnFace = Callable[[int, int], None]


@dataclass(frozen=True)
class TrainingFaces:
    """Aligned faces in memory.

    Args:
        crops: Shape (faces, 3, side, side), uint8 RGB.
        kind: What they are, for reports, such as `public faces` or `synthetic faces`.
        photographs: The list of the photographs; None if they are none, or not known.
    """

    crops: Tensor
    kind: str
    photographs: PublicPhotographs | None = None

    def __len__(self) -> int:
        return len(self.crops)

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

    Those in a folder below it are listed as of the person whose name that folder has.

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
    crops, listed = [], PhotographCollector()
    for number, path in enumerate(paths, 1):
        progress(number, len(paths))
        try:
            crop = read_face(path, size)
        except InputError:
            left_out(path)
            continue
        listed.add(sha256(path), crop, None if path.parent == folder else path.parent.name)
        crops.append(torch.from_numpy(np.array(crop)).movedim(-1, 0).contiguous())
    if not crops:
        raise InputError(f"{folder}: expected photographs of faces, found none; check --images")
    return TrainingFaces(torch.stack(crops), "public faces", listed.result())


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
