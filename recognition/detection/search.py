"""The faces of one photograph, also turned, small and hard ones, for which further detectors take their time.

The usual detector comes first, and where it is sure, its faces are the result. It finds upright faces of 73
pixels and more in a photograph shrunk to 1024. What it misses is searched for only then: turned by eighths of
a circle, by dlib's convolutional detector (max-margin object detection, King, arXiv:1502.00046; its weights
come with the landmarks' package), also in turned photographs, and in the photograph's full size. On request,
small faces and those that only the convolutional detector finds are searched for beside the others.
"""

import functools
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recognition.detection.alignment import (
    DETECTION_SIDE,
    LEAST_SIDE,
    REFERENCE_POINTS,
    Face,
    Pick,
    detect,
    faces_in_boxes,
    hog_faces,
    hog_score,
    shrunk_to,
    similarity_transform,
    unscaled,
)
from recognition.detection.coarse import BOX_SIDE, coarse_faces
from recognition.errors import InputError, NoFaceError
from recognition.options import Detector

#: Score of the usual detector from which a face is certain, and a turned photograph is turned back. Source:
#: `python -m benchmarks.detection`; faces upside down have scores up to 0.3, upright ones from 0.4.
SURE_SCORE = 0.5
#: Confidence from which a face of the convolutional detector is taken. Source: the same command.
SURE_CONFIDENCE = 0.9
#: Degrees by which a face may be turned in the photograph as it was searched. Landmarks are for upright
#: faces, and go wrong beyond; of 150 photographs of LFW, no face is turned by more than 11.
_SLANTED = 15.0
#: Degrees that count as much as a score of 1 in the choice between two turns in which a face is found.
_DEGREES = 45.0
#: Longer side in pixels of the turned photographs that the convolutional detector searches, in how many
#: turns, and above which score of the usual detector these are.
_CONVOLUTIONAL_SIDE, _LIKELY, _HINT = 512, 3, -0.6
#: Longer side in pixels to which a photograph is enlarged or shrunk when small faces are asked for.
SMALL_FACES_SIDE = 3072
#: Most that a photograph is enlarged for them: faces of 27 pixels become as large as the detector's smallest.
LARGEST_ENLARGEMENT = 3.0
#: Longest side in pixels in which a face is searched for that was not found otherwise.
LARGEST_SIDE = 6144
#: Size of the copy that is turned first where an upright face was found with a low score.
TURNED_SCALE = 0.7
#: Turns of a photograph that are tried, in eighths of a circle: the usual ones of cameras first.
_TURNS = (4, 2, 6, 1, 7, 3, 5)


def find_face(
    photograph: NDArray[np.uint8],
    *,
    name: str,
    face: int = 1,
    pick: Pick = "largest",
    detector: Detector = "hog",
) -> Face:
    """Return one of the faces in a photograph.

    A first face that is large enough is found in a smaller copy of the photograph, in a fraction of the time.

    Args:
        photograph: uint8 HWC RGB.
        name: The photograph's name in error messages.
        face: Which of the faces to return, from 1, in the order of `pick`. Small ones are searched for if it
            is not the first, and if they may be nearer to the middle than the first of the larger ones.
        pick: `largest` orders faces by size, `central` by their distance to the middle of the photograph,
            where labelled photographs have their subject.
        detector: As of `find_faces`.

    Raises:
        NoFaceError: If there is no face, or fewer than `face`.
    """
    if face == 1 and detector == "hog":
        certain = _coarse_face(photograph, pick)
        if certain is not None:
            return certain
    faces = find_faces(photograph, small=face > 1, detector=detector)
    if not faces:
        raise NoFaceError(f"{name}: expected a face, the detector found none; use a clear frontal photograph")
    if not 1 <= face <= len(faces):
        raise NoFaceError(
            f"{name}: expected face {face}, the detector found {len(faces)}; choose --face 1 to {len(faces)}"
        )
    first = _ordered(faces, pick, photograph)[face - 1]
    if face == 1 and pick == "central" and not _contains(first, middle := _middle(photograph)):
        reach = float(np.linalg.norm(first.points.mean(0) - middle))
        return _ordered(merged(faces, _small_faces(photograph, first.turn, reach)), pick, photograph)[0]
    return first


def _ordered(faces: list[Face], pick: Pick, photograph: NDArray[np.uint8]) -> list[Face]:
    if pick == "largest":
        return sorted(faces, key=lambda face: -face.area)
    middle = _middle(photograph)
    return sorted(faces, key=lambda face: float(np.linalg.norm(face.points.mean(0) - middle)))


def _middle(photograph: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.array([photograph.shape[1], photograph.shape[0]]) / 2


def _coarse_face(photograph: NDArray[np.uint8], pick: Pick) -> Face | None:
    """Return the first face in an order if a smaller copy of the photograph shows which it is, else None."""
    for coarse in coarse_faces(photograph):
        if is_certain(coarse.faces):
            first = _ordered(coarse.faces, pick, photograph)[0]
            # Faces that a copy lacks are smaller than those that it has, but may be nearer to the middle.
            decided = pick == "largest" or _contains(first, _middle(photograph))
            known = zip(coarse.faces, coarse.ambiguous, strict=True)
            ambiguous = any(flag for face, flag in known if face is first)
            if decided and not ambiguous and first.score >= SURE_SCORE:
                return first
    return None


def find_faces(
    photograph: NDArray[np.uint8], *, small: bool = False, detector: Detector = "hog"
) -> list[Face]:
    """Return the faces of a photograph, the largest first.

    Args:
        photograph: uint8 HWC RGB.
        small: Whether faces below the usual detector's size are searched for beside larger ones, which takes
            several seconds. If there is no larger one, they always are.
        detector: `hog` is dlib's detector by histograms of gradients, with its convolutional one where it
            finds nothing. With `cnn`, faces that only the convolutional one finds in the photograph, shrunk
            to `DETECTION_SIDE`, are always added: in profile, partly covered, or in poor light. It takes
            about a hundred times as long.

    Raises:
        InputError: If there is no such detector.
    """
    check_detector(detector)
    faces, searched = detect(photograph), False
    if not is_certain(faces):
        faces, searched = search_further(photograph, faces)
    return _with_others(faces, photograph, small, convolutional=detector == "cnn" and not searched)


def upright_faces(
    photograph: NDArray[np.uint8], *, small: bool = False, detector: Detector = "hog"
) -> list[Face]:
    """Return the upright faces of a photograph, the largest first, for films: no turned one is searched for.

    The arguments and errors are those of `find_faces`.
    """
    check_detector(detector)
    return _with_others(detect(photograph), photograph, small, convolutional=detector == "cnn")


def _with_others(
    faces: list[Face], photograph: NDArray[np.uint8], small: bool, *, convolutional: bool
) -> list[Face]:
    turn = faces[0].turn if faces else 0
    if small:
        faces = merged(faces, _small_faces(photograph, turn))
    if convolutional:
        shrunk, scale = shrunk_to(photograph, DETECTION_SIDE)
        faces = merged(faces, unscaled(turned_faces(shrunk, turn, convolutional=True), scale))
    return faces


def check_detector(detector: str) -> None:
    """Raise an InputError unless there is such a detector."""
    if detector not in get_args(Detector):
        raise InputError(f"detector: expected one of {', '.join(get_args(Detector))}, got {detector!r}")


def is_certain(faces: list[Face]) -> bool:
    """Return whether the usual detector is sure of an upright face, and all of its faces are possible."""
    sure = any(face.score >= SURE_SCORE and abs(_slant(face)) <= _SLANTED for face in faces)
    return sure and all(map(is_upright, faces))


def is_upright(face: Face) -> bool:
    """Return whether the mouth is below the eyes, in the photograph as it was searched."""
    turned = face.points @ _rotation(-face.turn).T
    return bool(turned[3:, 1].mean() > turned[:2, 1].mean())


def _slant(face: Face) -> float:
    """Return by how many degrees a face is turned in the photograph as it was searched."""
    matrix = similarity_transform(face.points @ _rotation(-face.turn).T, REFERENCE_POINTS)
    return float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))


def _rank(faces: list[Face]) -> float:
    """Return how well the best of the faces fits the turn in which they were found."""
    ranks = (face.score - abs(_slant(face)) / _DEGREES for face in faces if is_upright(face))
    return max(ranks, default=-np.inf)


def merged(faces: list[Face], others: list[Face]) -> list[Face]:
    """Return faces with those of another search that are not among them, the largest first."""
    found = list(faces)
    for other in others:
        if not any(_same_face(face, other) for face in found):
            found.append(other)
    return sorted(found, key=lambda face: -face.area)


def _same_face(face: Face, other: Face) -> bool:
    """Return whether the middle of one face's points is in the other's box."""
    return _contains(face, other.points.mean(0)) or _contains(other, face.points.mean(0))


def _contains(face: Face, point: NDArray[np.float64]) -> bool:
    left, top, right, bottom = face.box
    return bool(left <= point[0] <= right and top <= point[1] <= bottom)


def search_further(photograph: NDArray[np.uint8], uncertain: list[Face]) -> tuple[list[Face], bool]:
    """Return the faces of a photograph in which the usual detector is not certain of any.

    Args:
        photograph: uint8 HWC RGB.
        uncertain: The faces that it has found.

    Returns:
        The faces, and whether the convolutional detector has searched the photograph too.
    """
    shrunk, scale = shrunk_to(photograph, DETECTION_SIDE)
    possible = bool(uncertain) and all(map(is_upright, uncertain))
    turns = _likely_turns(shrunk) if possible else _TURNS
    turned = max((turned_faces(shrunk, turn) for turn in turns), key=_rank, default=[])
    if _best_score(turned) > SURE_SCORE and _rank(turned) > _rank(uncertain):
        return unscaled(turned, scale), False
    if possible:
        return uncertain, False
    faces = unscaled(_convolutional_faces(shrunk), scale)
    if not faces and scale < 1:
        large, scale = shrunk_to(photograph, LARGEST_SIDE)
        faces = unscaled(hog_faces(large), scale)
    return faces or _turned_convolutional(photograph), True


def _turned_convolutional(photograph: NDArray[np.uint8]) -> list[Face]:
    """Return what the convolutional detector finds in the turns that the usual one finds likely."""
    shrunk, scale = shrunk_to(photograph, _CONVOLUTIONAL_SIDE)
    hints = {turn: hog_score(turned_photograph(shrunk, turn), _HINT) for turn in _TURNS}
    likely = [turn for turn in sorted(_TURNS, key=lambda turn: -hints[turn]) if hints[turn] > _HINT]
    found = {turn: turned_faces(shrunk, turn, convolutional=True) for turn in likely[:_LIKELY]}
    # Neighbouring turns may have the face too, with worse landmarks; both detectors together tell them apart.
    turn = max(found, key=lambda turn: _rank(found[turn]) + hints[turn], default=0)
    if not found or not found[turn]:
        return []
    # Landmarks are better in the boxes of the usual detector, for which they were trained.
    usual = [
        face
        for face in turned_faces(shrunk, turn)
        if is_upright(face) and any(_same_face(face, other) for other in found[turn])
    ]
    return unscaled(merged(usual, found[turn]), scale)


def _likely_turns(photograph: NDArray[np.uint8]) -> list[int]:
    """Return the turns in which a smaller copy of a photograph has a face, which takes half the time."""
    small, _ = shrunk_to(photograph, round(TURNED_SCALE * max(photograph.shape[:2])))
    return [turn for turn in _TURNS if turned_faces(small, turn)]


def _best_score(faces: list[Face]) -> float:
    return max((face.score for face in faces if is_upright(face)), default=-np.inf)


def _small_faces(photograph: NDArray[np.uint8], turn: int, reach: float = np.inf) -> list[Face]:
    """Return the small faces of a photograph of which the detector is sure.

    Args:
        photograph: uint8 HWC RGB.
        turn: Eighths of a circle, counterclockwise, by which it is turned for the search.
        reach: How far from the photograph's middle a face may be, pixels.
    """
    scale = min(LARGEST_ENLARGEMENT, SMALL_FACES_SIDE / max(photograph.shape[:2]))
    turned = turned_photograph(photograph, turn)
    height, width = turned.shape[:2]
    # A face is around its middle, and is smaller than twice the detector's smallest: others were found.
    across, down = (min(side / 2, reach + 2 * BOX_SIDE / scale) for side in (width, height))
    left, top = int(width / 2 - across), int(height / 2 - down)
    part = turned[top : height - top, left : width - left]
    size = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    found = unscaled(hog_faces(np.asarray(Image.fromarray(part).resize(size, how))), scale)
    # An enlarged photograph has patterns at the size of faces, which have low scores.
    sure = [_moved(face, left, top) for face in found if face.score >= SURE_SCORE]
    return _turned_back(sure, photograph, turned, turn)


def _moved(face: Face, left: float, top: float) -> Face:
    """Return a face of a part of a photograph, whose left and top edges are given."""
    edges = np.array(face.box) + np.tile((left, top), 2)
    return replace(face, box=(*edges.tolist(),), points=face.points + np.array([left, top]))


def turned_faces(photograph: NDArray[np.uint8], turn: int, *, convolutional: bool = False) -> list[Face]:
    """Return the faces of a photograph that is turned for the search, where they are in the photograph.

    Args:
        photograph: uint8 HWC RGB.
        turn: Eighths of a circle, counterclockwise.
        convolutional: Whether the convolutional detector searches it, not the usual one.
    """
    turned = turned_photograph(photograph, turn)
    found = _convolutional_faces(turned) if convolutional else hog_faces(turned)
    return sorted(_turned_back(found, photograph, turned, turn), key=lambda face: -face.area)


def _turned_back(
    found: list[Face], photograph: NDArray[np.uint8], turned: NDArray[np.uint8], turn: int
) -> list[Face]:
    """Return the faces of a turned photograph where they are in the photograph."""
    # From the turned photograph's middle to the photograph's.
    rotation = _rotation(turn)
    before = np.array([photograph.shape[1] - 1, photograph.shape[0] - 1]) / 2
    after = np.array([turned.shape[1] - 1, turned.shape[0] - 1]) / 2
    faces = []
    for face in found:
        left, top, right, bottom = face.box
        corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
        corners = (corners - after) @ rotation.T + before
        points = (face.points - after) @ rotation.T + before
        box = (*corners.min(0).tolist(), *corners.max(0).tolist())
        faces.append(replace(face, box=box, points=points, turn=turn))
    return faces


def turned_photograph(photograph: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """Return a photograph turned counterclockwise by eighths of a circle, with black corners."""
    if turn % 2 == 0:
        return np.ascontiguousarray(np.rot90(photograph, turn // 2))
    height, width = photograph.shape[:2]
    side = int(np.ceil((height + width) / np.sqrt(2)))
    rotation = _rotation(turn)
    offset = np.array([width, height]) / 2 - rotation @ (side / 2, side / 2)
    matrix = np.column_stack([rotation, offset])
    image = Image.fromarray(photograph).transform(
        (side, side), Image.Transform.AFFINE, tuple(matrix.ravel()), Image.Resampling.BILINEAR
    )
    return np.asarray(image)


def _rotation(turn: int) -> NDArray[np.float64]:
    """Return the matrix from a photograph that was turned by eighths of a circle to the photograph."""
    angle = turn * np.pi / 4
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _convolutional_faces(photograph: NDArray[np.uint8]) -> list[Face]:
    if min(photograph.shape[:2]) < LEAST_SIDE:
        return []
    found = [one for one in _network()(photograph, 0) if one.confidence >= SURE_CONFIDENCE]
    return faces_in_boxes(photograph, [one.rect for one in found], [one.confidence for one in found])


@functools.cache
def _network() -> Any:
    """Return dlib's convolutional face detector, loaded once."""
    import dlib
    import face_recognition_models

    return dlib.cnn_face_detection_model_v1(face_recognition_models.cnn_face_detector_model_location())
