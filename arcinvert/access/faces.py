"""Faces that an attacker shows to a black box: photographs of a folder, or synthetic faces."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arcinvert.knowledge.activation_statistics import FaceKind
from arcinvert.knowledge.public_photographs import PhotographCollector, PublicPhotographs
from arcinvert.knowledge.synthetic_faces import draw_faces
from recognition.checkpoint import sha256
from recognition.data.faces import read_face
from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError
from recognition.images import list_images_below, resized, to_tensor, to_uint8
from recognition.seeds import derive_seed


@dataclass(frozen=True)
class PublicFaces:
    """Aligned faces that the attacker has.

    Args:
        crops: Shape (faces, 112, 112, 3), uint8.
        kind: Whose they are.
        photographs: Which photographs they are of; None for synthetic faces.
    """

    crops: NDArray[np.uint8]
    kind: FaceKind
    photographs: PublicPhotographs | None = None

    def __len__(self) -> int:
        return len(self.crops)

    def images(self, size: int, rows: slice | NDArray[np.integer]) -> Tensor:
        """Return images, (faces, 3, size, size) in [0, 1], of some rows."""
        return resized(to_tensor(self.crops[rows]), size)


def load_faces(folder: Path | None, count: int, *, seed: int) -> PublicFaces:
    """Return faces for queries, in an order that the seed draws.

    Args:
        folder: Photographs or aligned crops, searched with all folders below it; None draws synthetic faces.
        count: The largest number of faces.
        seed: The seed of the draw.

    Raises:
        InputError: If the folder has no face.
    """
    if folder is None:
        images = torch.cat(list(draw_faces(count, size=ALIGNED_SIZE, seed=seed)))
        return PublicFaces(to_uint8(images), "synthetic faces")
    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder of faces, found none; check --public-faces")
    paths = list_images_below(folder)
    listed = PhotographCollector()
    crops: list[NDArray[np.uint8]] = []
    for index in np.random.default_rng(derive_seed(seed, "public faces")).permutation(len(paths)):
        if len(crops) == count:
            break
        path = paths[index]
        try:
            crop = read_face(path)
        except InputError:
            # A photograph that is damaged or has no face is left out.
            continue
        listed.add(sha256(path), crop, None if path.parent == folder else path.parent.name)
        crops.append(crop)
    if not crops:
        raise InputError(f"{folder}: expected photographs of faces, found none; check --public-faces")
    return PublicFaces(np.stack(crops), "public faces", listed.result())
