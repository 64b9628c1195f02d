"""Pose and expression of an aligned face as five numbers, by dlib's 68 landmarks.

Landmarks are placed on the crop itself: aligned faces lie in the same place, so that no detector is needed.
The pose is that of a generic head under the affine camera that fits best. That camera suits photographs taken
from several times the size of a head, and needs no focal length.
"""

import functools
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recognition.detection.alignment import ALIGNED_SIZE, landmark_predictor
from recognition.errors import InputError

Attribute = Literal["yaw", "pitch", "smile", "mouth", "eyes"]
#: The order of the numbers: yaw in degrees, positive where the face turns to the right of the picture; pitch
#: in degrees, positive where it looks up; width and lift of the mouth, and the gap between the lips, both in
#: distances of the eyes; and the height of the open eyes in their widths.
ATTRIBUTES: tuple[Attribute, ...] = get_args(Attribute)

#: What the detector's box is on an aligned crop: left, top, right and bottom, pixels. The median of 60
#: photographs of LFW; landmarks in it are 0.6 pixels from those of the photograph on average.
_BOX = (14, 30, 102, 118)
#: The crop is widened by its edges, pixels, and enlarged, since the predictor samples whole pixels.
_MARGIN, _ZOOM = 28, 2

#: Numbers of landmarks of iBUG 300-W with the points of a generic head: outer and inner ends of the brows,
#: corners of the eyes, sides of the nose, corners of the mouth, the lower lip and the chin.
RIGID = (17, 21, 22, 26, 36, 39, 42, 45, 31, 35, 48, 54, 57, 8)
#: The landmark of the other side of each landmark.
LANDMARKS_MIRRORED = [
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *range(54, 47, -1),
    *range(59, 54, -1),
    *range(64, 59, -1),
    *(67, 66, 65),
]
#: The points in centimetres: to the right of the picture, down, and away from the camera. Source: the
#: anthropometric model of P. Martins and J. Batista, University of Coimbra (aifi.isr.uc.pt).
HEAD: NDArray[np.float64] = np.array(
    [
        (-6.825897, -6.760612, -4.402142),
        (-1.330353, -7.122144, -6.903745),
        (1.330353, -7.122144, -6.903745),
        (6.825897, -6.760612, -4.402142),
        (-5.311432, -5.485328, -3.987654),
        (-1.789930, -5.393625, -4.413414),
        (1.789930, -5.393625, -4.413414),
        (5.311432, -5.485328, -3.987654),
        (-2.005628, -1.409845, -6.165652),
        (2.005628, -1.409845, -6.165652),
        (-2.774015, 2.080775, -5.048531),
        (2.774015, 2.080775, -5.048531),
        (0.0, 3.116408, -6.097667),
        (0.0, 7.415691, -4.070434),
    ]
)


def landmarks(crop: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the 68 landmarks of iBUG 300-W on an aligned crop, shape (68, 2), in the crop's pixels.

    Args:
        crop: uint8 RGB of shape (112, 112, 3).

    Raises:
        InputError: If the crop is of another shape.

    Source: Kazemi and Sullivan, CVPR 2014, as trained by dlib's author.
    """
    if crop.shape != (ALIGNED_SIZE, ALIGNED_SIZE, 3):
        raise InputError(
            f"face: expected an aligned crop of {ALIGNED_SIZE}x{ALIGNED_SIZE} RGB pixels, got shape "
            f"{crop.shape}; align it first"
        )
    padded = np.pad(crop, ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), mode="edge")
    side = _ZOOM * len(padded)
    enlarged = np.asarray(Image.fromarray(padded).resize((side, side), Image.Resampling.BICUBIC))
    shape = landmark_predictor()(enlarged, _box())
    points = np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float64)
    # Whole numbers are the centres of pixels, of the crop and of its enlargement.
    return (points + 0.5) / _ZOOM - 0.5 - _MARGIN


@functools.cache
def _box() -> Any:
    import dlib

    return dlib.rectangle(*(_ZOOM * (edge + _MARGIN) for edge in _BOX))


def measure(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the five numbers of `ATTRIBUTES`, shape (5,), of 68 landmarks, shape (68, 2)."""
    yaw, pitch = pose(points)
    across = _distance(points, 36, 45)
    lips = points[[51, 57, 62, 66]].mean(0)
    # Along the face's own vertical, so that the roll does not count.
    down = np.array([points[36, 1] - points[45, 1], points[45, 0] - points[36, 0]]) / across
    lift = float((lips - points[[48, 54]].mean(0)) @ down)
    smile = (_distance(points, 48, 54) + lift) / across
    mouth = _mean_distance(points, (61, 67), (62, 66), (63, 65)) / across
    eyes = np.mean(
        [
            _mean_distance(points, (37, 41), (38, 40)) / _distance(points, 36, 39),
            _mean_distance(points, (43, 47), (44, 46)) / _distance(points, 42, 45),
        ]
    )
    return np.array([yaw, pitch, smile, mouth, float(eyes)])


def pose(points: NDArray[np.float64]) -> tuple[float, float]:
    """Return yaw and pitch in degrees of 68 landmarks, shape (68, 2).

    Source: the affine camera by least squares, and the nearest rotation to it (the first step of POSIT,
    DeMenthon and Davis, International Journal of Computer Vision 15, 1995).
    """
    return pose_of(points[list(RIGID)], HEAD)


def pose_of(points: NDArray[np.float64], head: NDArray[np.float64]) -> tuple[float, float]:
    """Return yaw and pitch in degrees by points of a head.

    Args:
        points: Shape (points, 2), in pixels, (x, y).
        head: Shape (points, 3), the same points of a head that faces the camera: to the right of the picture,
            down, and away from the camera, in any unit.

    Source: as `pose`.
    """
    head = head - head.mean(0)
    camera = np.linalg.lstsq(head, points - points.mean(0), rcond=None)[0].T
    left, _, right = np.linalg.svd(camera, full_matrices=False)
    across, down = left @ right
    # The face looks along the negative third axis of the head.
    forward = -np.array([across[2], down[2], float(np.cross(across, down)[2])])
    return (
        float(np.degrees(np.arctan2(forward[0], -forward[2]))),
        float(np.degrees(np.arcsin(np.clip(-forward[1], -1, 1)))),
    )


def _distance(points: NDArray[np.float64], one: int, other: int) -> float:
    return float(np.linalg.norm(points[one] - points[other]))


def _mean_distance(points: NDArray[np.float64], *pairs: tuple[int, int]) -> float:
    return float(np.mean([_distance(points, one, other) for one, other in pairs]))
