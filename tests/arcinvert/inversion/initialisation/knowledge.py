"""Knowledge that is made up, with everything that an initialisation may need."""

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.inversion.initialisation.base import InitialisationRequest
from arcinvert.inversion.progress import StepCounter
from arcinvert.knowledge.activation_statistics import MeasuredStatistics
from arcinvert.knowledge.face_pca import load_face_pca
from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.knowledge.nearest_neighbours import COEFFICIENTS, NearestNeighbours
from arcinvert.knowledge.regression import FaceRegression
from recognition.recogniser import Recogniser
from tests.arcinvert.inversion.networks import DIM, linear_recogniser


def mean_face() -> Tensor:
    """Return the mean of the face PCA."""
    return load_face_pca()[0]


def no_statistics() -> Knowledge:
    """Return what is known without a file of 'arcinvert calibrate': a mean face."""
    return Knowledge("public-faces", mean_face(), "made up")


def full_knowledge(dim: int = DIM, faces: int = 60) -> Knowledge:
    """Return a mean face, neighbours and a regression, all random."""
    generator = torch.Generator().manual_seed(4)
    neighbours = NearestNeighbours(
        F.normalize(torch.randn(faces, dim, generator=generator)),
        torch.randn(faces, COEFFICIENTS, generator=generator),
    )
    count = len(load_face_pca()[2])
    matrix = torch.randn(dim, count, generator=generator)
    regression = FaceRegression(torch.zeros(dim), torch.zeros(count), matrix, faces)
    statistics = MeasuredStatistics((), "", "made up", faces, neighbours, regression)
    return Knowledge("public-faces", mean_face(), "made up", statistics)


def request(
    recogniser: Recogniser | None = None, knowledge: Knowledge | None = None, **changes: object
) -> InitialisationRequest:
    """Return a request for initial images."""
    fields: dict[str, object] = {
        "penalties": (),
        "dtype": torch.float32,
        "whiten": True,
        "counter": StepCounter(1),
    }
    return InitialisationRequest(
        recogniser or linear_recogniser(), knowledge or full_knowledge(), **fields | changes
    )
