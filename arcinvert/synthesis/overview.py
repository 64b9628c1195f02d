"""A picture of a synthetic set: its first identities, a row each."""

import numpy as np
from numpy.typing import NDArray

from arcinvert.synthesis.set_folder import SetFolder
from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError
from recognition.images import decode_image, write_png

OVERVIEW = "overview.png"
#: The largest number of rows, and of pictures in a row.
IDENTITIES, PICTURES = 8, 8
#: Pixels between two pictures, and their grey.
_GAP, _PAPER = 4, 255


def write_overview(folder: SetFolder) -> None:
    """Write overview.png by the pictures that there are; nothing while there are none.

    Args:
        folder: The folder of the set.
    """
    rows = [[_decoded(data) for data in row] for row in folder.first_pictures(IDENTITIES, PICTURES)]
    if rows:
        write_png(folder.path / OVERVIEW, montage(rows))


def montage(rows: list[list[NDArray[np.uint8] | None]]) -> NDArray[np.uint8]:
    """Return rows of aligned faces as one picture, uint8 of shape (height, width, 3).

    Args:
        rows: Faces, uint8 of shape (112, 112, 3); the place of None is left empty.
    """
    step, columns = ALIGNED_SIZE + _GAP, max(map(len, rows))
    picture = np.full((len(rows) * step + _GAP, columns * step + _GAP, 3), _PAPER, dtype=np.uint8)
    for row, faces in enumerate(rows):
        for column, face in enumerate(faces):
            top, left = row * step + _GAP, column * step + _GAP
            if face is not None:
                picture[top : top + ALIGNED_SIZE, left : left + ALIGNED_SIZE] = face
    return picture


def _decoded(data: bytes) -> NDArray[np.uint8] | None:
    """Return a picture; None if its file was damaged or exchanged after it was written."""
    try:
        image = decode_image(data, name="a picture of the set")
    except InputError:
        return None
    return image if image.shape == (ALIGNED_SIZE, ALIGNED_SIZE, 3) else None
