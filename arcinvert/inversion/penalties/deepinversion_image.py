"""DeepInversion's image priors, in the form of its published settings.

Source: Yin et al., arXiv:1912.08795.
"""

import torch
from torch import Tensor

from arcinvert.inversion.penalties.base import Penalty


class VariationNorm(Penalty):
    """Euclidean norms of the differences of neighbouring pixels over the whole batch.

    Four neighbours each: right, below, and both diagonals below; pixels in units of -1..1. As published, each
    norm spans the batch, so that the penalty is the same for each of its images.
    """

    def __call__(self, images: Tensor) -> Tensor:
        pixels = 2 * images
        differences = (
            pixels[..., 1:] - pixels[..., :-1],
            pixels[..., 1:, :] - pixels[..., :-1, :],
            pixels[..., 1:, 1:] - pixels[..., :-1, :-1],
            pixels[..., 1:, :-1] - pixels[..., :-1, 1:],
        )
        return torch.stack([torch.linalg.vector_norm(one) for one in differences]).sum().expand(len(images))


class ImageNorm(Penalty):
    """Euclidean norm of each image, pixels in units of -1..1."""

    def __call__(self, images: Tensor) -> Tensor:
        return torch.linalg.vector_norm(2 * images - 1, dim=(1, 2, 3))
