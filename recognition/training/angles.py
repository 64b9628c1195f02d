"""The histogram of the angles between training images and the centres of their classes."""

import numpy as np
import torch
import torch.nn.functional as F
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

    @torch.no_grad()
    def add(self, embeddings: Tensor, labels: Tensor, centres: Tensor) -> None:
        """Count the images of a batch.

        Args:
            embeddings: Shape (batch, dim), of any positive norm.
            labels: Shape (batch,), class indices.
            centres: Unit-norm class centres, shape (classes, dim).
        """
        degrees = angles_of((F.normalize(embeddings) * centres[labels]).sum(1)).rad2deg()
        counts = torch.histc(degrees, bins=BINS, min=0, max=DEGREES)
        self.counts += counts.cpu().numpy().astype(np.int64)
