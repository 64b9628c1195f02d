"""The one reader of faces: a photograph or an aligned crop in a file, to the aligned face at any size."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recognition.data.encoded import read_encoded
from recognition.detection.alignment import ALIGNED_SIZE, Pick, crop_at
from recognition.detection.search import find_face
from recognition.errors import InputError
from recognition.images import check_encoded, decode_image
from recognition.options import Detector

#: Mean difference of two aligned faces of one photograph, in levels of 0 to 255, which compression may make.
_COPY = 4.0


def is_copy(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> bool:
    """Return whether two aligned faces are of one photograph, which may have been compressed again.

    Args:
        first: uint8, shape (height, width, 3).
        second: The same of the other photograph.
    """
    if first.shape != second.shape:
        return False
    return float(np.abs(first.astype(np.int16) - second).mean()) <= _COPY


def read_face(
    path: str | os.PathLike[str],
    size: int = ALIGNED_SIZE,
    *,
    aligned: bool | None = None,
    face: int = 1,
    pick: Pick = "central",
    detector: Detector = "hog",
) -> NDArray[np.uint8]:
    """Return the aligned face in a file, uint8 RGB of shape (size, size, 3).

    Args:
        path: A photograph, or an aligned crop of `ALIGNED_SIZE` pixels a side; also one inside another file,
            by its key (see `recognition.data.keys`).
        size: Side of the result in pixels.
        aligned: True if the file must be an aligned crop, False if the face is always detected. None means
            that an image of exactly `ALIGNED_SIZE` pixels a side is an aligned crop, and any other one a
            photograph.
        face: Which face of a photograph to use, from 1, in the order of `pick`.
        pick: Order of the faces in a photograph: `central`, by their distance to the middle, where labelled
            photographs have their subject, or `largest`, by their size.
        detector: The detector of faces (see `recognition.detection.search.find_faces`).

    Raises:
        InputError: If the file is not an image, or not an aligned crop although it must be.
        NoFaceError: If the photograph has no such face.

    Example:
        >>> crop = read_face("photo.jpg", pick="largest")
    """
    image = decode_image(read_encoded(Path(path)), name=os.fspath(path))
    has_aligned_size = image.shape[:2] == (ALIGNED_SIZE, ALIGNED_SIZE)
    if aligned and not has_aligned_size:
        raise _not_aligned(path, image.shape[1], image.shape[0])
    if has_aligned_size and aligned is not False:
        return at_size(image, size)
    found = find_face(image, name=str(path), face=face, pick=pick, detector=detector)
    return crop_at(image, found, size)


def check_aligned(path: str | os.PathLike[str]) -> bytes:
    """Check an aligned crop without decoding it (see `check_encoded`), and return its file's bytes.

    Raises:
        InputError: If the file is not an image, or has another size.
    """
    data = read_encoded(Path(path))
    width, height = check_encoded(data, name=os.fspath(path))
    if (width, height) != (ALIGNED_SIZE, ALIGNED_SIZE):
        raise _not_aligned(path, width, height)
    return data


def _not_aligned(path: str | os.PathLike[str], width: int, height: int) -> InputError:
    return InputError(
        f"{path}: expected an aligned {ALIGNED_SIZE}x{ALIGNED_SIZE} crop, got {width}x{height}; run "
        "'python -m recognition align' first"
    )


def at_size(crop: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Return an aligned crop, uint8 HWC, with `size` pixels a side; unchanged if it has that size."""
    if crop.shape[0] == size:
        return crop
    return np.asarray(Image.fromarray(crop).resize((size, size), Image.Resampling.BICUBIC))
