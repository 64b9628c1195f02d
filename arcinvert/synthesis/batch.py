"""One batch of a synthetic set: its pictures, and what is measured of them; computed by any process."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from arcinvert.inversion.progress import OnStep
from arcinvert.synthesis.judged import JudgedPeople
from arcinvert.synthesis.known import KnownPeople
from arcinvert.synthesis.measure import measure_identities
from arcinvert.synthesis.pictures import PictureNumber, Pictures
from recognition.images import to_uint8
from recognition.recogniser import Recogniser


@dataclass(frozen=True)
class PictureJob:
    """A batch to be made.

    Args:
        first: The number of its first optimisation, from 0, among those of the whole set.
        size: The largest number of pictures of an optimisation.
        numbers: Its pictures, identity by identity, as many of each.
    """

    first: int
    size: int
    numbers: list[PictureNumber]


@dataclass(frozen=True)
class MadeBatch:
    """A batch that is made.

    Args:
        images: The pictures, uint8, shape (112, 112, 3) each.
        measured: What the network, and the judge, find of each identity, as JSON.
        seconds: How long it took.
    """

    images: list[NDArray[np.uint8]]
    measured: list[dict[str, Any]]
    seconds: float


@dataclass(frozen=True)
class PictureWork:
    """What a worker holds for the batches of a set.

    Args:
        pictures: Makes pictures.
        recogniser: The network.
        directions: All identities, unit norm, float64, shape (identities, dim).
        people: Known people.
        judged: Known people as a judge embeds them; None leaves it out.
    """

    pictures: Pictures
    recogniser: Recogniser
    directions: Tensor
    people: KnownPeople
    judged: JudgedPeople | None

    def run(self, job: PictureJob, on_step: OnStep | None) -> MadeBatch:
        """Return a batch, made and measured."""
        start, images = time.monotonic(), []
        for number, begin in enumerate(range(0, len(job.numbers), job.size), job.first):
            chosen = job.numbers[begin : begin + job.size]
            directions = self.directions[[one.identity for one in chosen]]
            made = self.pictures.make(directions, chosen, batch=number, on_step=on_step)
            images += list(to_uint8(made))
        identities = list(dict.fromkeys(one.identity for one in job.numbers))
        measured = measure_identities(self.recogniser, images, identities, self.directions, self.people)
        if self.judged is not None:
            first = images[:: len(images) // len(identities)]
            for entry, similarity in zip(measured, self.judged.nearest(first), strict=True):
                entry["judged"] = similarity
        return MadeBatch(images, measured, round(time.monotonic() - start, 3))
