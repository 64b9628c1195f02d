"""The mean face in the weights: what a network expects around eyes, nose and mouth, found from itself alone.

Statistics of activations do not say where things are, so that from noise faces grow all over the image.
Whoever uses a network knows that much, for its input has to be aligned: five points have fixed positions. A
sketch has dark spots there. Images inverted from random templates, starting from the sketch, share what the
network expects of any face; their mean, made symmetric, is a first face, and images inverted anew from there
agree better. So a mean face is made without any face.

From one and the same face many attacks end at somebody else, again and again. Restarts therefore start from
different ones: the mean face with strong noise, and the inverted images of the random templates themselves,
those nearest to the person's template first.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.inversion.augmentation import Augmentation
from arcinvert.inversion.engine import invert
from arcinvert.inversion.initialisation.base import FACE_NOISE, Initialisation, InitialisationRequest
from arcinvert.inversion.parametrisations.pixels import Pixels
from arcinvert.inversion.penalties import WeightedPenalty
from arcinvert.inversion.penalties.total_variation import ColourVariation, TotalVariation
from arcinvert.inversion.result import StopInversion
from arcinvert.inversion.schedule import Schedule
from arcinvert.inversion.targets.cosine import CosineTarget
from recognition.detection.alignment import ALIGNED_SIZE, REFERENCE_POINTS
from recognition.recogniser import Recogniser
from recognition.seeds import derive_seed

#: Templates of a round, all in one batch; and the steps of each round.
TEMPLATES = 16
ROUNDS = (60, 60)
#: The contrast that the mean of many images loses is restored between rounds by this factor.
CONTRAST = 2.0
#: Only low frequencies are kept: the side is reduced by these factors between rounds and at the end.
REDUCTION_BETWEEN, REDUCTION_AT_END = 4, 2
#: The sketch: darkness of a spot, and standard deviations of its width and height, pixels of 112.
_EYE, _NOSE, _MOUTH = (0.2, 7.0, 4.0), (0.07, 6.0, 3.0), (0.15, 12.0, 3.0)
#: Standard deviation of the noise on the sketch, so that the images of the first round differ.
_DEVIATION = 0.01
#: The mean face depends on the network, not on the attack's seed.
_SEED = 0
#: Standard deviations of the noise on the faces of restarts: of the first one, which suits most people, of
#: others from the mean face, and of those from inverted images; tuned on people that the bundled network was
#: trained on, among them some whom 24 restarts with the first one's noise did not find.
_FIRST_NOISE, _MEAN_FACE_NOISE, _OTHERS_NOISE = FACE_NOISE, 0.2, 0.1


@dataclass(frozen=True)
class FacesFromWeights:
    """What is found in the weights.

    Args:
        mean_face: Shape (3, size, size) in [0, 1].
        others: Shape (TEMPLATES, 3, size, size) in [0, 1], inverted images of random templates.
        embeddings: Shape (TEMPLATES, dim), unit norm, what the network makes of `others`; all on the CPU.
    """

    mean_face: Tensor
    others: Tensor
    embeddings: Tensor


class MeanFaceFromWeights(Initialisation):
    """The mean face that a network expects of an aligned image, found by inverting random templates."""

    of_public_faces = False
    # Which attacks end at somebody else shows early, so that many short restarts find more than few whole
    # ones: tuned on people that the bundled network was trained on.
    restarts = 12
    restart_steps = 25
    preparation_steps = sum(ROUNDS)

    def __init__(self) -> None:
        self._found: FacesFromWeights | None = None

    @property
    def pending_steps(self) -> int:
        return self.preparation_steps if self._found is None else 0

    def prepare(self, request: InitialisationRequest) -> Tensor:
        """Find the faces, if that was not done before, and return the mean face."""
        return self._prepared(request).mean_face

    def _prepared(self, request: InitialisationRequest) -> FacesFromWeights:
        if self._found is None:
            statistics = [weighted for weighted in request.penalties if weighted.penalty.of_activations]
            self._found = faces_from_weights(request, statistics)
        return self._found

    def faces(self, templates: Tensor, request: InitialisationRequest, restart: int) -> Tensor:
        found = self._prepared(request)
        if not _starts_from_others(restart):
            return found.mean_face.expand(len(templates), -1, -1, -1)
        nearest_first = (templates @ found.embeddings.T).argsort(1, descending=True)
        return found.others[nearest_first[:, restart // 2 % TEMPLATES]]

    def deviation(self, restart: int) -> float:
        if restart == 0:
            return _FIRST_NOISE
        return _OTHERS_NOISE if _starts_from_others(restart) else _MEAN_FACE_NOISE


def _starts_from_others(restart: int) -> bool:
    """Return whether a restart starts from an inverted image of a random template: every second one does."""
    return restart % 2 == 1


def faces_from_weights(request: InitialisationRequest, statistics: list[WeightedPenalty]) -> FacesFromWeights:
    """Return faces from a frozen recogniser alone.

    Args:
        request: The recogniser, and the counter of the steps of all rounds.
        statistics: The penalties on activations of the attack.

    Raises:
        StopInversion: If the counter's callback raises it.
    """
    recogniser = request.recogniser
    device, size = recogniser.device, recogniser.input_size
    # The texts that seeds follow from are older than the names: they decide the images.
    generator = torch.Generator().manual_seed(derive_seed(_SEED, "dream"))
    noise = _DEVIATION * torch.randn(TEMPLATES, 3, size, size, generator=generator)
    start = (sketch(size) + noise).clamp(0, 1)
    face = start.new_zeros(3, size, size)
    for steps in ROUNDS:
        templates = _templates(recogniser, generator)
        inversion = invert(
            recogniser,
            CosineTarget(templates.to(device)),
            Pixels(start.to(device)),
            Schedule(steps, Pixels.learning_rate),
            penalties=[
                WeightedPenalty("tv", 3.0, TotalVariation()),
                WeightedPenalty("colour-tv", 8.0, ColourVariation()),
                *statistics,
            ],
            augmentation=Augmentation(flip=True, shift=3, scale=0.05, generator=generator),
            dtype=request.dtype,
            counter=request.counter,
        )
        if inversion.stopped:
            raise StopInversion
        mean = inversion.images.mean(0)
        face = (mean + mean.flip(-1)) / 2
        grey = face.mean((1, 2), keepdim=True)
        start = _low_frequencies((grey + CONTRAST * (face - grey))[None], size // REDUCTION_BETWEEN).repeat(
            TEMPLATES, 1, 1, 1
        )
    others = _low_frequencies(inversion.images, size // REDUCTION_BETWEEN)
    with torch.no_grad():
        embeddings = recogniser(others.to(device)).cpu()
    return FacesFromWeights(_low_frequencies(face[None], size // REDUCTION_AT_END)[0], others, embeddings)


def sketch(size: int) -> Tensor:
    """Return grey with dark spots at eyes, nose and mouth of an aligned face, (3, size, size), symmetric."""
    left_eye, right_eye, nose, *corners = torch.from_numpy(REFERENCE_POINTS).float()
    centres = (torch.arange(size) + 0.5) * ALIGNED_SIZE / size
    picture = torch.full((size, size), 0.5)
    for (x, y), (darkness, width, height) in (
        (left_eye.tolist(), _EYE),
        (right_eye.tolist(), _EYE),
        (nose.tolist(), _NOSE),
        (torch.stack(corners).mean(0).tolist(), _MOUTH),
    ):
        across = torch.exp(-((centres - x) / width).square() / 2)
        down = torch.exp(-((centres - y) / height).square() / 2)
        picture -= darkness * torch.outer(down, across)
    return ((picture + picture.flip(-1)) / 2).expand(3, -1, -1)


def _templates(recogniser: Recogniser, generator: torch.Generator) -> Tensor:
    """Return random class centres, which a face can reach, else random directions; shape (TEMPLATES, dim)."""
    centres = recogniser.centres
    if centres is not None and len(centres) >= TEMPLATES:
        return centres[torch.randperm(len(centres), generator=generator)[:TEMPLATES].to(centres.device)]
    return F.normalize(torch.randn(TEMPLATES, recogniser.embedding_size, generator=generator))


def _low_frequencies(faces: Tensor, side: int) -> Tensor:
    """Return faces, (n, 3, h, w), without detail, in [0, 1]."""
    small = F.interpolate(faces, side, mode="area")
    return F.interpolate(small, list(faces.shape[-2:]), mode="bicubic").clamp(0, 1)
