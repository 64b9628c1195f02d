"""The judge: a face recogniser that is never attacked and never steers an attack.

dlib's 128-d residual network (King, dlib.net, 2017; 99.38 % on LFW by its author), whose training
data and loss share nothing with ArcFace networks. It sees aligned 112x112 crops, brought to its
own 150x150 chip by one fixed warp, so that photographs and reconstructions are treated alike.
"""

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.detection.alignment import ALIGNED_SIZE, detect, warp
from recognition.images import resized, to_tensor, to_uint8

#: Of the calibration, what results need not repeat.
NOT_IN_RESULTS = frozenset({"people", "matrix", "histograms"})
#: Side of the judge's chip, pixels.
CHIP_SIZE = 150
#: Border added to a crop before its warp to a chip, pixels.
_CHIP_MARGIN = 16
#: A crop is enlarged and padded before detection: the detector wants a face with its surroundings.
_DETECTION_ENLARGE = 3
_DETECTION_MARGIN = 40


@dataclass(frozen=True)
class Threshold:
    """Where the judge accepts, calibrated on photographs of people outside every attack here.

    Args:
        fmr: the false match rate asked for; realised_fmr: the one found.
        similarity: above it two images are accepted as one person.
        tar: share of mated photograph pairs accepted.
        nonmated, mated, identities: the counts this rests on.
    """

    fmr: float
    similarity: float
    realised_fmr: float
    tar: float
    nonmated: int
    mated: int
    identities: int


@functools.cache
def calibration() -> dict[str, Any]:
    """The shipped calibration: the fixed warp, thresholds with counts, and how it was made."""
    return dict(json.loads(files("arcinvert").joinpath("data/judge.json").read_text(encoding="utf-8")))


def thresholds() -> list[Threshold]:
    """The shipped thresholds, the highest rate first."""
    return [Threshold(**entry) for entry in calibration()["thresholds"]]


@dataclass(frozen=True)
class Histogram:
    """How judge similarities of pairs of real photographs lie.

    Args:
        edges: (bins + 1,), rising.
        nonmated, mated: (bins,), share of the pairs in each bin; each sums to 1.
    """

    edges: NDArray[np.float64]
    nonmated: NDArray[np.float64]
    mated: NDArray[np.float64]


def histogram() -> Histogram:
    """The shipped distributions, of the pairs that the thresholds rest on."""
    return Histogram(**{name: np.array(values) for name, values in calibration()["histograms"].items()})


class Judge:
    """Embeds aligned crops; similarity is 1 - Euclidean distance, so higher is the same person.

    Args:
        matrix: (2, 3), from the 112x112 crop to the 150x150 chip; the shipped one by default.
    """

    name = "dlib_face_recognition_resnet_model_v1"

    def __init__(self, matrix: NDArray[np.float64] | None = None) -> None:
        self._matrix = np.array(calibration()["matrix"]) if matrix is None else matrix

    def embed(self, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
        """Embeddings, (images, 128), of aligned uint8 112x112 crops."""
        if not crops:
            return np.zeros((0, 128))
        chips = [self._chip(crop) for crop in crops]
        return np.array(_network().compute_face_descriptor(chips), dtype=np.float64)

    def _chip(self, crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
        # The chip reaches below the crop's chin: repeated border pixels fill the rest.
        margin = _CHIP_MARGIN
        padded = np.pad(crop, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
        matrix = self._matrix.copy()
        matrix[:, 2] -= matrix[:, :2] @ (margin, margin)
        return np.ascontiguousarray(warp(padded, matrix, CHIP_SIZE))


def similarity(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 - Euclidean distance of judge embeddings along the last axis; at most 1."""
    return 1 - np.linalg.norm(first - second, axis=-1)


def face_detected(crop: NDArray[np.uint8]) -> bool:
    """Whether the detector finds a face in an aligned crop, enlarged and padded by its own border."""
    enlarged = np.kron(crop, np.ones((_DETECTION_ENLARGE, _DETECTION_ENLARGE, 1), dtype=np.uint8))
    margin = _DETECTION_MARGIN
    return bool(detect(np.pad(enlarged, ((margin, margin), (margin, margin), (0, 0)), mode="edge")))


@functools.cache
def _network() -> Any:
    import dlib
    import face_recognition_models

    return dlib.face_recognition_model_v1(face_recognition_models.face_recognition_model_location())


def to_crop_size(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """uint8 NHWC images of any side as the 112x112 crops that the judge sees."""
    if images.shape[1] == ALIGNED_SIZE:
        return images
    return to_uint8(resized(to_tensor(images), ALIGNED_SIZE))
