"""Images as the aligned 112x112 crops that judges see, and whether they show a face."""

import numpy as np
from numpy.typing import NDArray

from recognition.appearance.upsampling import as_seen
from recognition.detection.alignment import ALIGNED_SIZE, has_face
from recognition.images import resized, to_tensor, to_uint8

#: A crop is enlarged this often and padded by so many pixels before detection: the detector needs a face with
#: its surroundings.
_ENLARGE, _MARGIN = 3, 40


def to_crop_size(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return uint8 NHWC images of any size as 112x112 crops."""
    if images.shape[1] == ALIGNED_SIZE:
        return images
    return to_uint8(resized(as_seen(to_tensor(images)), ALIGNED_SIZE))


def face_detected(crop: NDArray[np.uint8]) -> bool:
    """Return whether the detector finds a face in an aligned uint8 crop."""
    enlarged = np.kron(crop, np.ones((_ENLARGE, _ENLARGE, 1), dtype=np.uint8))
    padding = ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0))
    return has_face(np.pad(enlarged, padding, mode="edge"))
