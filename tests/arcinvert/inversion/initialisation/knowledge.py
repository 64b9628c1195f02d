"""Knowledge that is made up, with everything that an initialisation may need."""

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.inversion.initialisation.base import InitialisationRequest
from arcinvert.inversion.progress import StepCounter
from arcinvert.knowledge.activation_statistics import MeasuredStatistics
from arcinvert.knowledge.decoder import FaceDecoder
from arcinvert.knowledge.face_pca import load_face_pca
from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.knowledge.nearest_neighbours import COEFFICIENTS, NearestNeighbours
from arcinvert.knowledge.regression import FaceRegression
from arcinvert.knowledge.whitening import whitening_of
from recognition.recogniser import Recogniser
from tests.arcinvert.inversion.networks import DIM, linear_recogniser


def mean_face() -> Tensor:
    """Return the mean of the face PCA."""
    return load_face_pca()[0]


def no_statistics() -> Knowledge:
    """Return what is known without a file of 'arcinvert calibrate': a mean face."""
    return Knowledge("public-faces", mean_face(), "made up")


def full_knowledge(dim: int = DIM, faces: int = 60) -> Knowledge:
    """Return a mean face, neighbours, a regression and a decoder, all random."""
    generator = torch.Generator().manual_seed(4)
    neighbours = NearestNeighbours(
        F.normalize(torch.randn(faces, dim, generator=generator)),
        torch.randn(faces, COEFFICIENTS, generator=generator),
    )
    count = len(load_face_pca()[2])
    matrix = torch.randn(dim, count, generator=generator)
    regression = FaceRegression(torch.zeros(dim), torch.zeros(count), matrix, faces)
    statistics = MeasuredStatistics((), "", "made up", faces, neighbours, regression)
    return Knowledge("public-faces", mean_face(), "made up", statistics, decoder=random_decoder(dim))


def random_decoder(dim: int = DIM, channels: tuple[int, ...] = (4, 3)) -> FaceDecoder:
    """Return a small decoder whose residual is not zero."""
    generator = torch.Generator().manual_seed(5)
    count = len(load_face_pca()[2])
    regression = FaceRegression(
        torch.zeros(dim), torch.zeros(count), torch.randn(dim, count, generator=generator) / 4, 60
    )
    templates = F.normalize(torch.randn(60, dim, generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        decoder = FaceDecoder(
            regression, whitening_of(templates), channels=channels, faces="60 faces of nobody"
        )
    with torch.no_grad():
        weight = decoder.levels[-1].enlarge.weight
        weight.copy_(torch.randn(weight.shape, generator=generator) / 10)
    return decoder.requires_grad_(False).eval()


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
