"""Aligned faces of photographs and of crops, at the size that a network takes."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recognition.detection.alignment import ALIGNED_SIZE, crop_at, find_face
from recognition.images import read_image


def read_face(path: Path, size: int = ALIGNED_SIZE) -> NDArray[np.uint8]:
    """The aligned face of one file, uint8 (size, size, 3).

    An image of 112x112 pixels is taken for a crop that is aligned already; in a larger photograph
    the most central face is found and aligned.

    Raises:
        InputError: the file is no image.
        NoFaceError: there is no face in it.
    """
    photograph = read_image(path)
    if photograph.shape[:2] == (ALIGNED_SIZE, ALIGNED_SIZE):
        return at_size(photograph, size)
    return crop_at(photograph, find_face(photograph, name=str(path), pick="central"), size)


def at_size(crop: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """An aligned crop, uint8 HWC, at the side that a network expects."""
    if crop.shape[0] == size:
        return crop
    return np.asarray(Image.fromarray(crop).resize((size, size), Image.Resampling.BICUBIC))
