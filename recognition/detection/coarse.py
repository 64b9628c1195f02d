"""A search in smaller copies of a photograph, in a fraction of the time that the whole photograph takes.

dlib's detector looks for faces of one size, 73 pixels, in the photograph and in copies of it, each 5/6 as
large as the one before. A large face is found in a small copy, so that the large copies, which take nearly
all of the time, need not be searched. The boxes are those that the detector finds in the photograph itself:
the copies are made by the same code, and places are rounded as dlib rounds them.
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.detection.alignment import (
    DETECTION_SIDE,
    Face,
    face_detector,
    faces_in_boxes,
    shrunk_to,
    unscaled,
)

#: Side in pixels of the detector's boxes in the copy in which they were found.
BOX_SIDE = 73
#: Each copy is smaller than the one before by a factor of this number to one less. Source: dlib's detector.
_RATIO = 6
#: Longer side in pixels of the smallest copy that is searched first: photographs of LFW (250 pixels, faces of
#: 87 to 125) are searched in 208, those of 256 in 213. Source: `python -m benchmarks.alignment`.
COARSE_SIDE = 215
#: Number of sizes between two copies that are searched, which differ by a factor of 2.5.
_STRIDE = 5
#: Smallest number of sizes above a copy for which its search is worth it after that of a smaller one.
_LEAST_SAVED = 3
#: Score from which a face of a copy's smallest size is taken where the next larger copy is the photograph.
#: With a lower one, the detector may be surer of it in the photograph: so for 5 of 3,000 photographs of LFW,
#: whose scores were up to 1.31.
CLEAR_SCORE = 1.5


@dataclass(frozen=True)
class CoarseFaces:
    """The faces of a smaller copy of a photograph.

    Args:
        faces: The faces, where they are in the photograph.
        ambiguous: For each, whether the detector may find a better box for it in a larger copy.
    """

    faces: list[Face]
    ambiguous: list[bool]


def coarse_faces(photograph: NDArray[np.uint8]) -> Iterator[CoarseFaces]:
    """Yield the faces of each smaller copy of a photograph that is searched, the smallest copy first.

    Faces that are smaller in a copy than the detector's box are missing. A small photograph has no copies.

    Args:
        photograph: uint8 HWC RGB.
    """
    shrunk, shrink = shrunk_to(photograph, DETECTION_SIDE)
    copies = [shrunk]
    while max(copies[-1].shape[:2]) > COARSE_SIDE and min(copies[-1].shape[:2]) > BOX_SIDE:
        copies.append(_pyramid()(copies[-1]))
    smallest = len(copies) - 1
    levels = [smallest, *range(smallest - _STRIDE, _LEAST_SAVED - 1, -_STRIDE)]
    for level in (level for level in levels if level > 0):
        found, scores, _ = face_detector().run(copies[level], 0, 0.0)
        boxes, ambiguous = [], []
        for box, score in zip(found, scores, strict=True):
            enlarged, smaller = _enlarged(box, level)
            boxes.append(enlarged)
            ambiguous.append(smaller == 0 and (level > 1 or score < CLEAR_SCORE))
        yield CoarseFaces(unscaled(faces_in_boxes(shrunk, boxes, scores), shrink), ambiguous)


def _enlarged(box: Any, level: int) -> tuple[Any, int]:
    """Return the rectangle that the detector finds in the photograph itself for one that it finds in a copy.

    Args:
        box: The rectangle in the copy.
        level: How many sizes the copy is smaller than the photograph.

    Returns:
        The rectangle, and in how many sizes below the copy the detector found the face.
    """
    import dlib

    # A box beyond an edge of the photograph is longer across that edge.
    side = min(box.width(), box.height())
    smaller = round(math.log(side / BOX_SIDE) / math.log(_RATIO / (_RATIO - 1)))
    place = dlib.drectangle(box.left(), box.top(), box.right(), box.bottom())
    # Rounded to whole pixels where it was found, from where the detector enlarges it in one step.
    own = dlib.drectangle(*_rounded(_pyramid().rect_down(place, smaller)))
    return dlib.rectangle(*_rounded(_pyramid().rect_up(own, level + smaller))), smaller


def _rounded(place: Any) -> tuple[int, int, int, int]:
    left, top, right, bottom = (
        math.floor(edge + 0.5) for edge in (place.left(), place.top(), place.right(), place.bottom())
    )
    return left, top, right, bottom


@functools.cache
def _pyramid() -> Any:
    import dlib

    return dlib.pyramid_down(_RATIO)
