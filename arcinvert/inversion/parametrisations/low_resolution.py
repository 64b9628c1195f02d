"""Images of half the size, enlarged: fine structure cannot come before coarse."""

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.inversion.parametrisations.base import Parametrisation


class LowResolution(Parametrisation):
    """Another parametrisation at half the size; its images are enlarged to their full size.

    Networks of one input size then see them, where the original shows a network smaller images.

    Args:
        start: images to begin with, of the full size.
        inner: what the small images are made of.

    Source: Yin et al., arXiv:1912.08795: at half the resolution first, in its published settings.
    """

    def __init__(self, start: Tensor, inner: type[Parametrisation]) -> None:
        self._size = list(start.shape[-2:])
        self._inner = inner(F.avg_pool2d(start.detach(), 2))

    @property
    def parameters(self) -> list[Tensor]:
        return self._inner.parameters

    def images(self) -> Tensor:
        images = F.interpolate(self._inner.images(), self._size, mode="bilinear", align_corners=False)
        return images.contiguous(memory_format=torch.channels_last)

    def penalty(self) -> Tensor | None:
        return self._inner.penalty()

    def project(self) -> None:
        self._inner.project()
