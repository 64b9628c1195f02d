"""BatchNorm statistics in units of the training faces' standard deviation."""

from collections.abc import Sequence

import torch
from torch import Tensor

from arcinvert.inversion.penalties.batch_statistics import BatchStatistics, LayerStatistics, joined


class RelativeStatistics(BatchStatistics):
    """Differences in units of the training faces' standard deviation, averaged over layers.

    The weight of a layer then depends neither on its number of channels nor on their magnitude.
    """

    #: Smallest variance that a difference is divided by.
    SMALLEST_VARIANCE = 1e-6

    def compare(self, layers: Sequence[LayerStatistics]) -> Tensor:
        all_layers = joined(layers)
        variance = all_layers.face_variance.clamp_min(self.SMALLEST_VARIANCE)
        means = (all_layers.mean - all_layers.face_mean).square() / variance
        ratios = (all_layers.variance / variance + 1e-8).sqrt()
        # The weight of each channel in the mean over layers of their means over channels.
        weights = torch.cat([torch.full_like(one.face_mean, 1 / len(one.face_mean)) for one in layers])
        return ((means + (ratios - 1).square()) * weights).sum(-1).mean() / len(layers)


class PerImageStatistics(RelativeStatistics):
    """Relative differences of each image's own statistics over its positions, averaged over the images.

    The statistics of one image are not those of the population, but no image can compensate for another.
    """

    axes = (2, 3)
