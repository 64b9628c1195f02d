"""Images of half the size, enlarged: coarse structure comes before fine structure."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.inversion.parametrisations.base import Parametrisation


class LowResolution(Parametrisation):
    """Another parametrisation at half the size; its images are enlarged to the full size.

    Networks with one input size can then be shown them, where the original shows a network smaller images.

    Args:
        start: The initial images, of the full size.
        inner: Makes what represents the small images, of small initial images.

    Source: Yin et al., arXiv:1912.08795: at half the resolution first, in its published settings.
    """

    def __init__(self, start: Tensor, inner: Callable[[Tensor], Parametrisation]) -> None:
        self._size = list(start.shape[-2:])
        self._inner = inner(F.avg_pool2d(start.detach(), 2))

    @property
    def parameters(self) -> list[Tensor]:
        return self._inner.parameters

    @property
    def offsets(self) -> Tensor | None:
        return self._inner.offsets

    @property
    def pca_coefficients(self) -> Tensor | None:
        return self._inner.pca_coefficients

    def images(self) -> Tensor:
        images = F.interpolate(self._inner.images(), self._size, mode="bilinear", align_corners=False)
        return images.contiguous(memory_format=torch.channels_last)

    def project(self) -> None:
        self._inner.project()
