"""The interface of an initialisation, and the noise that all of them share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.inversion.penalties import WeightedPenalty
from arcinvert.inversion.progress import StepCounter
from arcinvert.knowledge.knowledge import Knowledge
from recognition.images import resized
from recognition.recogniser import Recogniser

#: Standard deviation of the noise on a face, so that samples of one identity differ, and the side of its
#: grid: low frequencies without colour, since fine or coloured noise would stay in the image.
FACE_NOISE = 0.05
FACE_NOISE_GRID = 7


@dataclass(frozen=True)
class InitialisationRequest:
    """Everything that initial images may be made of.

    Args:
        recogniser: The attacked network.
        knowledge: What the attacker knows besides the network.
        penalties: The penalties of the attack.
        dtype: The floating-point type of the network's inner computation.
        whiten: Whether templates of public faces are compared after whitening.
        counter: Counts the steps of a preparation.
    """

    recogniser: Recogniser
    knowledge: Knowledge
    penalties: Sequence[WeightedPenalty]
    dtype: torch.dtype
    whiten: bool
    counter: StepCounter


class Initialisation(ABC):
    """Makes the images that an optimisation starts from."""

    #: Whether it is made of public faces, which an attacker by the weights alone does not have.
    of_public_faces: ClassVar[bool] = True
    #: Whether the images already resemble the person.
    near: ClassVar[bool] = False
    #: Restarts that suit it; None leaves them to the parametrisation.
    restarts: ClassVar[int | None] = None
    #: Steps of each of several restarts, after which the best alone goes on; None makes them whole.
    restart_steps: ClassVar[int | None] = None
    #: How often an image that stays unlike its target is attacked again.
    retries: ClassVar[int] = 0
    #: Optimiser steps that are needed once for each attacked network.
    preparation_steps: ClassVar[int] = 0

    @classmethod
    def missing(cls, knowledge: Knowledge, name: str) -> str | None:
        """Return what it lacks, as `expected ..., found ...; what to do`; None if nothing.

        Args:
            knowledge: What the attacker knows.
            name: The attacked network's name.
        """
        return None

    @property
    def pending_steps(self) -> int:
        """Optimiser steps that `prepare` would take now."""
        return 0

    def prepare(self, request: InitialisationRequest) -> Tensor | None:  # noqa: B027  (most need none)
        """Do what is needed once for each attacked network, unless it was done before.

        Raises:
            StopInversion: If the counter's callback raises it.
        """

    @abstractmethod
    def faces(self, templates: Tensor, request: InitialisationRequest, restart: int) -> Tensor:
        """Return faces without noise, shape (batch, 3, h, w) in [0, 1], on the CPU.

        Args:
            templates: Shape (batch, dim), unit norm, on the CPU.
            request: What the faces may be made of.
            restart: The restart's number, from 0.
        """

    def images(
        self, templates: Tensor, request: InitialisationRequest, *, seeds: Sequence[int], restart: int = 0
    ) -> Tensor:
        """Return initial images, shape (batch, 3, size, size) in [0, 1], on the CPU.

        Args:
            templates: Shape (batch, dim), unit norm, on the CPU.
            request: What the images may be made of.
            seeds: A seed for each image; its noise depends on it alone.
            restart: The restart's number, from 0.
        """
        return with_noise(
            self.faces(templates, request, restart),
            seeds=seeds,
            size=request.recogniser.input_size,
            deviation=self.deviation(restart),
        )

    def deviation(self, restart: int) -> float:
        """Return the standard deviation of the noise on the faces of a restart, numbered from 0."""
        return FACE_NOISE


def with_noise(faces: Tensor, *, seeds: Sequence[int], size: int, deviation: float = FACE_NOISE) -> Tensor:
    """Return faces with noise, shape (len(seeds), 3, size, size) in [0, 1].

    Args:
        faces: Shape (len(seeds), 3, h, w) in [0, 1], on the CPU; resized where needed.
        seeds: A seed for each image.
        size: The side of the images, pixels.
        deviation: The standard deviation of the noise.
    """
    low = F.interpolate(gaussian(seeds, (1, FACE_NOISE_GRID, FACE_NOISE_GRID)), size, mode="bicubic")
    return (resized(faces, size) + deviation * low).clamp(0, 1)


def gaussian(seeds: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Return standard normal noise, shape (len(seeds), *shape); each row depends on its seed alone."""
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
