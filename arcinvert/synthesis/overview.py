"""A picture of a synthetic set: its first identities, a row each."""

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.utils import make_grid

from arcinvert.synthesis.set_folder import SetFolder
from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError
from recognition.images import decode_image, write_png

OVERVIEW = "overview.png"
#: The largest number of rows, and of pictures in a row.
IDENTITIES, PICTURES = 8, 8
#: Pixels between two pictures, and their grey.
_GAP, _PAPER = 4, 255
_EMPTY = np.full((ALIGNED_SIZE, ALIGNED_SIZE, 3), _PAPER, dtype=np.uint8)


def write_overview(folder: SetFolder) -> None:
    """Write overview.png by the pictures that there are; nothing while there are none.

    Args:
        folder: The folder of the set.
    """
    rows = [[_decoded(data) for data in row] for row in folder.first_pictures(IDENTITIES, PICTURES)]
    if rows:
        columns = max(map(len, rows))
        faces = [face for row in rows for face in (*row, *[_EMPTY] * (columns - len(row)))]
        images = torch.from_numpy(np.stack(faces)).movedim(-1, 1)
        grid = make_grid(images, nrow=columns, padding=_GAP, pad_value=_PAPER)
        write_png(folder.path / OVERVIEW, grid.movedim(0, -1).numpy())


def _decoded(data: bytes) -> NDArray[np.uint8]:
    """Return a picture; an empty place if its file was damaged or exchanged after it was written."""
    try:
        image = decode_image(data, name="a picture of the set")
    except InputError:
        return _EMPTY
    return image if image.shape == _EMPTY.shape else _EMPTY
