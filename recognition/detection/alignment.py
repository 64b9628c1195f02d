"""Face detection, five landmarks, and the warp to an aligned crop of 112x112 pixels.

Detector and landmarks are dlib's (HOG detector; 68-point shape predictor of Kazemi and Sullivan, CVPR 2014)
and come with their packages, so that nothing is downloaded. The shape predictor was trained on iBUG 300-W,
whose licence excludes commercial use.
"""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recognition.errors import InputError
from recognition.interruption import may_end

#: Side of an aligned crop in pixels. Source: InsightFace's reference points are for 112x112.
ALIGNED_SIZE = 112
#: Order in which the search counts the faces of a photograph.
Pick = Literal["largest", "central"]
#: ArcFace's five points on an aligned crop in pixels, (x, y): the left and the right eye as seen in the
#: image, the tip of the nose, the left and the right corner of the mouth. Source: InsightFace,
#: utils/face_align.py.
REFERENCE_POINTS: NDArray[np.float64] = np.array(
    [
        (38.2946, 51.6963),
        (73.5318, 51.5014),
        (56.0252, 71.7366),
        (41.5493, 92.3655),
        (70.7299, 92.2041),
    ]
)
#: Longer side in pixels to which photographs are shrunk for detection; the detector's smallest face has 80.
DETECTION_SIDE = 1024
#: Shortest side, in pixels, of what is searched: no face is in less, and dlib fails on a few pixels.
LEAST_SIDE = 16
#: Photographs with a longer side below this, in pixels, are enlarged twice if no face was found.
ENLARGE_BELOW = 700


@dataclass(frozen=True)
class Face:
    """A detected face.

    Args:
        box: Left, top, right and bottom edge in the photograph's pixels.
        points: Shape (5, 2), the landmarks of `REFERENCE_POINTS` in the photograph's pixels.
        score: How sure the detector is; each has a scale of its own.
        turn: By how many eighths of a circle the photograph was turned, counterclockwise, when it was found.
    """

    box: tuple[float, float, float, float]
    points: NDArray[np.float64]
    score: float = 0.0
    turn: int = 0

    @property
    def area(self) -> float:
        """Area of the box in square pixels."""
        left, top, right, bottom = self.box
        return (right - left) * (bottom - top)


@functools.cache
def face_detector() -> Any:
    """Return dlib's frontal face detector, loaded once.

    dlib makes it of a text in its own code, which takes most of a second. The file beside this module is what
    `dlib.get_frontal_face_detector().save(FILE)` writes, and is read in a thousandth of that.
    """
    import dlib

    return dlib.fhog_object_detector(str(files("recognition").joinpath("detection/frontal_faces.svm")))


@functools.cache
def landmark_predictor() -> Any:
    """Return dlib's shape predictor of 68 landmarks, loaded once."""
    import dlib
    import face_recognition_models

    return dlib.shape_predictor(face_recognition_models.pose_predictor_model_location())


def has_face(photograph: NDArray[np.uint8]) -> bool:
    """Return whether `detect` finds a face, without its landmarks, whose model takes time to load."""
    for searched, _, enlarge in _copies(photograph):
        may_end()
        if len(face_detector().run(searched, enlarge, 0.0)[0]) > 0:
            return True
    return False


def detect(photograph: NDArray[np.uint8]) -> list[Face]:
    """Return the upright faces in a uint8 HWC RGB photograph, the largest first.

    `recognition.detection.search` finds others, and takes more time.
    """
    for searched, scale, enlarge in _copies(photograph):
        if faces := hog_faces(searched, enlarge=enlarge):
            return sorted(unscaled(faces, scale), key=lambda face: -face.area)
    return []


def _copies(photograph: NDArray[np.uint8]) -> Iterator[tuple[NDArray[np.uint8], float, bool]]:
    """Yield the copies that are searched until one has a face: their scale, and whether they are enlarged."""
    shrunk, scale = shrunk_to(photograph, DETECTION_SIDE)
    yield shrunk, scale, False
    # The face may be small in a large photograph, or the photograph itself may be small.
    if scale < 1:
        yield *shrunk_to(photograph, 2 * DETECTION_SIDE), False
    elif max(shrunk.shape[:2]) < ENLARGE_BELOW:
        yield shrunk, scale, True


def hog_faces(photograph: NDArray[np.uint8], *, enlarge: bool = False) -> list[Face]:
    """Return what the usual detector finds in a photograph as it is, the surest first.

    Args:
        photograph: uint8 HWC RGB.
        enlarge: Whether the photograph is searched at twice its size.
    """
    if min(photograph.shape[:2]) < LEAST_SIDE:
        return []
    may_end()
    boxes, scores, _ = face_detector().run(photograph, int(enlarge), 0.0)
    return faces_in_boxes(photograph, boxes, scores)


def hog_score(photograph: NDArray[np.uint8], least: float) -> float:
    """Return the highest score that the usual detector gives any place in a photograph.

    Args:
        photograph: uint8 HWC RGB.
        least: What is returned where all scores are lower; the usual detector takes scores above 0 for faces.
    """
    if min(photograph.shape[:2]) < LEAST_SIDE:
        return least
    _, scores, _ = face_detector().run(photograph, 0, least)
    return max(scores, default=least)


def faces_in_boxes(
    photograph: NDArray[np.uint8], boxes: Iterable[Any], scores: Iterable[float]
) -> list[Face]:
    """Return the faces in dlib's rectangles, with their landmarks.

    Args:
        photograph: uint8 HWC RGB.
        boxes: Rectangles around upright faces.
        scores: How sure the detector is of each.
    """
    predictor = landmark_predictor()
    faces = []
    for box, score in zip(boxes, scores, strict=True):
        shape = predictor(photograph, box)
        landmarks = np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float64)
        edges = (float(box.left()), float(box.top()), float(box.right()), float(box.bottom()))
        faces.append(Face(edges, five_points(landmarks), float(score)))
    return faces


def unscaled(faces: list[Face], scale: float) -> list[Face]:
    """Return faces of a photograph that was resized by a factor, where they are in the photograph."""
    return [
        replace(face, box=(*(np.array(face.box) / scale).tolist(),), points=face.points / scale)
        for face in faces
    ]


def shrunk_to(photograph: NDArray[np.uint8], side: int) -> tuple[NDArray[np.uint8], float]:
    """Return a photograph shrunk to a longer side in pixels, and the factor; unchanged if it is smaller."""
    height, width = photograph.shape[:2]
    scale = min(1.0, side / max(height, width))
    if scale == 1:
        return np.ascontiguousarray(photograph), 1.0
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(photograph).resize(size, Image.Resampling.BOX)), scale


def five_points(landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ArcFace's five points, shape (5, 2), of iBUG's 68 landmarks, shape (68, 2)."""
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
    """Return the least-squares similarity transform from `source` to `target`, a matrix of shape (2, 3).

    Args:
        source: Shape (n, 2).
        target: Shape (n, 2).

    Raises:
        InputError: If the source points coincide.

    Source: Umeyama, PAMI 13(4), 1991, in its closed form for two dimensions.
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
    """Return the crop of a uint8 HWC image under a (2, 3) matrix from the image to the crop.

    Args:
        photograph: Shape (h, w, 3).
        matrix: Maps pixel coordinates of the photograph to those of the crop.
        size: Side of the crop in pixels.
    """
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if scale < 0.5:
        # Bicubic sampling skips pixels at such scales and would alias.
        height, width = photograph.shape[:2]
        photograph, _ = shrunk_to(photograph, int(2 * scale * max(height, width)))
        # Sizes are integers, so the two sides shrink by slightly different factors.
        across, down = width / photograph.shape[1], height / photograph.shape[0]
        enlarge = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
        matrix = matrix @ enlarge
    inverse = np.linalg.inv(np.vstack([matrix, (0, 0, 1)]))[:2]
    # Pillow's coordinates start at a pixel's corner, those of landmarks at its centre.
    inverse[:, 2] += 0.5 - inverse[:, :2] @ (0.5, 0.5)
    warped = Image.fromarray(photograph).transform(
        (size, size), Image.Transform.AFFINE, tuple(inverse.ravel()), Image.Resampling.BICUBIC
    )
    return np.asarray(warped)


def crop_at(photograph: NDArray[np.uint8], face: Face, size: int = ALIGNED_SIZE) -> NDArray[np.uint8]:
    """Return the aligned crop of a face, uint8 of shape (size, size, 3).

    A crop of any size shows the same part of the photograph as the usual one of 112x112 pixels.
    """
    matrix = similarity_transform(face.points, REFERENCE_POINTS)
    if size != ALIGNED_SIZE:
        zoom = size / ALIGNED_SIZE
        # The reference points are relative to the centres of pixels and not to their corners.
        matrix = zoom * matrix + np.array([[0, 0, (zoom - 1) / 2], [0, 0, (zoom - 1) / 2]])
    return warp(photograph, matrix, size)
