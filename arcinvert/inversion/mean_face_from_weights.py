"""The face in the weights: what a network expects around eyes, nose and mouth, learned from itself alone.

Statistics of activations do not say where things are, so that from noise faces grow all over the picture.
Whoever uses a network knows that much, for its input has to be aligned: five points have their places. A
sketch has dark spots there. Images inverted from templates drawn by chance, beginning at the sketch,
share what the network expects of any face; their mean, made symmetric, is a first face, and images
inverted anew from there agree better. So a mean face is made without any face.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.inversion.augmentation import RandomAugmentation
from arcinvert.inversion.engine import invert
from arcinvert.inversion.parametrisations import Pixels
from arcinvert.inversion.penalties.batchnorm import BatchNormPrior
from arcinvert.inversion.penalties.image import colour_variation, total_variation
from arcinvert.inversion.result import Step, StopInversion
from arcinvert.inversion.schedule import Schedule
from arcinvert.inversion.targets import CosineTarget
from recognition.detection.alignment import ALIGNED_SIZE, REFERENCE_POINTS
from recognition.recogniser import Recogniser
from recognition.seeds import derive_seed

#: Templates of a round, all in one batch; and the steps of each round.
TEMPLATES = 16
ROUNDS = (60, 60)
#: What the mean of many pictures loses in contrast is given back between rounds.
CONTRAST = 2.0
#: Between rounds, and at last, only coarse structure is kept: the side by so much.
BETWEEN, AT_LAST = 4, 2
#: Of the sketch: darkness of a spot, and standard deviations of its width and height, pixels of 112.
_EYE, _NOSE, _MOUTH = (0.2, 7.0, 4.0), (0.07, 6.0, 3.0), (0.15, 12.0, 3.0)
#: Standard deviation of the noise on it, so that the first round's images differ.
_DEVIATION = 0.01
#: A dream is its network's, whatever the attack's seed.
_SEED = 0


def mean_face_from_weights(
    recogniser: Recogniser,
    prior: tuple[float, BatchNormPrior] | None,
    *,
    dtype: torch.dtype = torch.float32,
    callback: Callable[[Step], None] = lambda step: None,
) -> Tensor:
    """A mean face, (3, size, size) in [0, 1], from a frozen recogniser alone.

    Args:
        prior: weight and form of the statistics prior, as for an attack.
        callback: hears of every step of all rounds.

    Raises:
        StopInversion: from the callback.
    """
    device, size = next(recogniser.parameters()).device, recogniser.input_size
    generator = torch.Generator().manual_seed(derive_seed(_SEED, "dream"))
    noise = _DEVIATION * torch.randn(TEMPLATES, 3, size, size, generator=generator)
    start = (sketch(size) + noise).clamp(0, 1)
    face, done = start.new_zeros(3, size, size), 0
    with torch.no_grad():
        dim = recogniser(start[:1].to(device)).shape[1]
    for steps in ROUNDS:
        templates = _templates(recogniser, dim, generator)

        def heard(step: Step, before: int = done) -> None:
            callback(replace(step, number=before + step.number, steps=sum(ROUNDS)))

        inversion = invert(
            recogniser,
            CosineTarget(templates.to(device)),
            Pixels(start.to(device)),
            Schedule(steps, Pixels.learning_rate),
            view=RandomAugmentation(flip=True, shift=3, scale=0.05, generator=generator),
            image_priors=[("variation", 3.0, total_variation), ("colour", 8.0, colour_variation)],
            statistics_prior=prior,
            dtype=dtype,
            callback=heard,
        )
        if inversion.stopped:
            raise StopInversion
        mean = inversion.images.mean(0)
        face, done = (mean + mean.flip(-1)) / 2, done + steps
        grey = face.mean((1, 2), keepdim=True)
        start = _coarse(grey + CONTRAST * (face - grey), size // BETWEEN).repeat(TEMPLATES, 1, 1, 1)
    return _coarse(face, size // AT_LAST)[0]


def sketch(size: int) -> Tensor:
    """Dark spots on grey where an aligned face has its eyes, nose and mouth: (3, size, size), symmetric."""
    left_eye, right_eye, nose, *corners = torch.from_numpy(REFERENCE_POINTS).float()
    places = (torch.arange(size) + 0.5) * ALIGNED_SIZE / size
    picture = torch.full((size, size), 0.5)
    for (x, y), (darkness, width, height) in (
        (left_eye.tolist(), _EYE),
        (right_eye.tolist(), _EYE),
        (nose.tolist(), _NOSE),
        (torch.stack(corners).mean(0).tolist(), _MOUTH),
    ):
        across = torch.exp(-((places - x) / width).square() / 2)
        down = torch.exp(-((places - y) / height).square() / 2)
        picture -= darkness * torch.outer(down, across)
    return ((picture + picture.flip(-1)) / 2).expand(3, -1, -1)


def _templates(recogniser: Recogniser, dim: int, generator: torch.Generator) -> Tensor:
    """Class centres by chance, which a face can reach, else random directions; (TEMPLATES, dim)."""
    centres = recogniser.centres
    if centres is not None and len(centres) >= TEMPLATES:
        return centres[torch.randperm(len(centres), generator=generator)[:TEMPLATES].to(centres.device)]
    return F.normalize(torch.randn(TEMPLATES, dim, generator=generator))


def _coarse(face: Tensor, side: int) -> Tensor:
    """A face, (3, h, w), without detail, as (1, 3, h, w) in [0, 1]."""
    small = F.interpolate(face[None], side, mode="area")
    return F.interpolate(small, list(face.shape[-2:]), mode="bicubic").clamp(0, 1)
