"""BatchNorm statistics in the forms of the two published recipes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from arcinvert.inversion.penalties.batch_statistics import BatchStatistics, LayerStatistics, joined


class ArcFaceStatistics(BatchStatistics):
    """Squared differences of means and of standard deviations, summed over layers.

    Source: Deng et al., arXiv:1801.07698v4, section 3.3.
    """

    def compare(self, layers: Sequence[LayerStatistics]) -> Tensor:
        all_layers = joined(layers)
        deviation = (all_layers.variance + 1e-8).sqrt() - all_layers.face_variance.sqrt()
        return (all_layers.mean - all_layers.face_mean).square().sum() + deviation.square().sum()


class DeepInversionStatistics(BatchStatistics):
    """Norms of the differences of means and of variances, the first layer ten times.

    Source: Yin et al., arXiv:1912.08795, and the factor of its published settings.
    """

    FIRST_LAYER = 10.0

    def compare(self, layers: Sequence[LayerStatistics]) -> Tensor:
        norms = [
            torch.linalg.vector_norm(layer.mean - layer.face_mean)
            + torch.linalg.vector_norm(layer.variance - layer.face_variance)
            for layer in layers
        ]
        return torch.stack([norms[0] * self.FIRST_LAYER, *norms[1:]]).sum()
