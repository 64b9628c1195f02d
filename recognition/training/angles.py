"""The histogram of the angles between training images and the centres of their classes."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recognition.heads.margins import angles_of

#: Number of bins, each one degree wide.
BINS = 180
#: Upper end of the last bin, degrees.
DEGREES = 180


class AngleHistogram:
    """Counts how many images have which angle to their centre, in one-degree bins from 0 to 180."""

    def __init__(self) -> None:
        #: Number of images per bin, shape (BINS,).
        self.counts: NDArray[np.int64] = np.zeros(BINS, dtype=np.int64)

    def reset(self) -> None:
        """Set all counts to zero."""
        self.counts = np.zeros(BINS, dtype=np.int64)

    def load(self, counts: list[int]) -> None:
        """Replace the counts by those of an earlier run.

        Raises:
            ValueError: If there is not one whole number per bin.
        """
        found = np.array(counts, dtype=np.int64)
        if found.shape != (BINS,):
            raise ValueError(f"expected {BINS} numbers of images, got {found.shape}")
        self.counts = found

    def add(self, counts: NDArray[np.floating]) -> None:
        """Add numbers of images per bin, shape (BINS,)."""
        self.counts += counts.round().astype(np.int64)


@torch.no_grad()
def count_angles(cosines: Tensor) -> NDArray[np.float64]:
    """Return how many images are in each bin, shape (BINS,).

    Args:
        cosines: Shape (images,), to the centres of their classes.
    """
    if not len(cosines):
        return np.zeros(BINS)
    counts = torch.histc(angles_of(cosines).rad2deg(), bins=BINS, min=0, max=DEGREES)
    return counts.cpu().numpy().astype(np.float64)
