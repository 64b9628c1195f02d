"""Detect faces, find five points, warp to 112x112.

Detector and landmarks are dlib's (HOG detector; 68-point shape predictor of Kazemi and Sullivan,
CVPR 2014), from wheels, so that no network is needed. The shape predictor was trained on iBUG
300-W, whose licence excludes commercial use.
"""

import functools
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recognition.errors import InputError, NoFaceError

#: Side of an aligned crop, pixels.
ALIGNED_SIZE = 112
#: ArcFace's five points on the crop, pixels, x then y: the image's left eye, right eye, nose tip,
#: left and right corner of the mouth. Source: InsightFace's reference points.
REFERENCE_POINTS: NDArray[np.float64] = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
#: The detector sees photographs shrunk to this, pixels: an 80-pixel face is its smallest.
DETECTION_SIDE = 1024
#: Below this side, pixels, a photograph without a find is enlarged twice and looked at again.
ENLARGE_BELOW = 700


@dataclass(frozen=True)
class Face:
    """One found face: box (left, top, right, bottom) and (5, 2) points, in the photograph's pixels."""

    box: tuple[float, float, float, float]
    points: NDArray[np.float64]

    @property
    def area(self) -> float:
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


@functools.cache
def _dlib() -> tuple[Any, Any]:
    import dlib
    import face_recognition_models

    predictor = dlib.shape_predictor(face_recognition_models.pose_predictor_model_location())
    return dlib.get_frontal_face_detector(), predictor


def detect(photograph: NDArray[np.uint8]) -> list[Face]:
    """All faces of a uint8 HWC RGB photograph, the largest first."""
    detector, predictor = _dlib()
    shrunk, shrink = _shrink(photograph, DETECTION_SIDE)
    boxes = detector(shrunk, 0)
    if not boxes:
        # Either the face is small in a large photograph, or the photograph itself is small.
        if shrink < 1:
            shrunk, shrink = _shrink(photograph, 2 * DETECTION_SIDE)
            boxes = detector(shrunk, 0)
        elif max(shrunk.shape[:2]) < ENLARGE_BELOW:
            boxes = detector(shrunk, 1)
    faces = []
    for box in boxes:
        shape = predictor(shrunk, box)
        landmarks = np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float64)
        corners = np.array([box.left(), box.top(), box.right(), box.bottom()]) / shrink
        faces.append(Face((*corners.tolist(),), five_points(landmarks) / shrink))
    return sorted(faces, key=lambda face: -face.area)


def _shrink(photograph: NDArray[np.uint8], side: int) -> tuple[NDArray[np.uint8], float]:
    height, width = photograph.shape[:2]
    scale = min(1.0, side / max(height, width))
    if scale == 1:
        return np.ascontiguousarray(photograph), 1.0
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(photograph).resize(size, Image.Resampling.BOX)), scale


def five_points(landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """The five ArcFace points, (5, 2), of iBUG's 68 landmarks, (68, 2)."""
    return np.stack(
        [
            landmarks[36:42].mean(0),
            landmarks[42:48].mean(0),
            landmarks[30],
            landmarks[48],
            landmarks[54],
        ]
    )


def similarity_transform(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The (2, 3) similarity matrix that takes `source` points, (n, 2), nearest to `target`.

    Raises:
        InputError: the source points coincide.

    Source: Umeyama, PAMI 13(4), 1991, in the closed form that two dimensions allow.
    """
    centred = source - source.mean(0)
    aimed = target - target.mean(0)
    if not np.ptp(source, axis=0).any():
        raise InputError("similarity transform: expected distinct points, got one point repeated")
    spread = float((centred**2).sum())
    # Rotation and scale together are one complex factor a + ib.
    a = float((centred * aimed).sum()) / spread
    b = float((centred[:, 0] * aimed[:, 1] - centred[:, 1] * aimed[:, 0]).sum()) / spread
    linear = np.array([[a, -b], [b, a]])
    return np.column_stack([linear, target.mean(0) - linear @ source.mean(0)])


def warp(
    photograph: NDArray[np.uint8], matrix: NDArray[np.float64], size: int = ALIGNED_SIZE
) -> NDArray[np.uint8]:
    """Warp a uint8 HWC image by a (2, 3) matrix (source to crop) onto a size x size crop."""
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.5:
        # Bicubic sampling alone would alias when it skips pixels.
        height, width = photograph.shape[:2]
        photograph, _ = _shrink(photograph, int(2 * scale * max(height, width)))
        # Sizes are whole numbers, so that the two sides shrink a little differently.
        across, down = width / photograph.shape[1], height / photograph.shape[0]
        enlarge = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
        matrix = matrix @ enlarge
    inverse = np.linalg.inv(np.vstack([matrix, (0, 0, 1)]))[:2]
    # Pillow counts from a pixel's corner, landmarks from its centre.
    inverse[:, 2] += 0.5 - inverse[:, :2] @ (0.5, 0.5)
    warped = Image.fromarray(photograph).transform(
        (size, size), Image.Transform.AFFINE, tuple(inverse.ravel()), Image.Resampling.BICUBIC
    )
    return np.asarray(warped)


def crop_at(photograph: NDArray[np.uint8], face: Face, size: int = ALIGNED_SIZE) -> NDArray[np.uint8]:
    """The aligned crop of one face, uint8 size x size: the usual 112x112 frame in other pixels."""
    matrix = similarity_transform(face.points, REFERENCE_POINTS)
    if size != ALIGNED_SIZE:
        zoom = size / ALIGNED_SIZE
        # Pixel centres, not corners, are what the reference points count from.
        matrix = zoom * matrix + np.array([[0, 0, (zoom - 1) / 2], [0, 0, (zoom - 1) / 2]])
    return warp(photograph, matrix, size)


def find_face(
    photograph: NDArray[np.uint8],
    *,
    name: str,
    face: int = 1,
    pick: Literal["largest", "central"] = "largest",
) -> Face:
    """Detect faces and choose one.

    Args:
        photograph: uint8 HWC RGB.
        name: what errors call the photograph.
        face: which of the faces, 1 first, in the order of `pick`.
        pick: order by size, or by closeness to the middle, where labelled photographs have their
            subject.

    Raises:
        NoFaceError: no face was found, or fewer than `face`.
    """
    faces = detect(photograph)
    if not faces:
        raise NoFaceError(f"{name}: expected a face, the detector found none; use a clear frontal photograph")
    if not 1 <= face <= len(faces):
        raise NoFaceError(
            f"{name}: expected face {face}, the detector found {len(faces)}; choose --face 1 to {len(faces)}"
        )
    if pick == "central":
        middle = np.array([photograph.shape[1], photograph.shape[0]]) / 2
        faces.sort(key=lambda found: float(np.linalg.norm(found.points.mean(0) - middle)))
    return faces[face - 1]
