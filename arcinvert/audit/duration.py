"""How long attacks take: the steps of batches as large as they are, side by side where there are workers."""

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class StepSeconds:
    """How long an optimiser step takes on this machine, by the number of images in its batch.

    Args:
        each_step: Seconds that a step takes with any number of images.
        each_image: Seconds that each image adds.
    """

    each_step: float
    each_image: float

    @classmethod
    def measured(cls, one: float, several: float, images: int) -> Self:
        """Return what two measurements say.

        Args:
            one: Seconds of a step of one image.
            several: Seconds of a step of `images` images, which is kept whatever the other one is: what else
                a machine does must not make an image's part negative.
            images: At least 2.
        """
        each_image = min(max(0.0, (several - one) / (images - 1)), several / images)
        return cls(several - images * each_image, each_image)

    def of(self, images: int) -> float:
        """Return the seconds of a step of a batch of so many images."""
        return self.each_step + images * self.each_image


def side_by_side(jobs: Iterable[float], workers: int) -> float:
    """Return how many seconds jobs take, each begun in its turn by the first worker that is free.

    Args:
        jobs: The seconds of each.
        workers: How many are computed at once, at least 1.
    """
    free_at = [0.0] * workers
    for seconds in jobs:
        heapq.heapreplace(free_at, free_at[0] + seconds)
    return max(free_at)
