"""Priors on the picture itself."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels, rows plus columns, (batch,).

    Source: Rudin, Osher and Fatemi, Physica D 60, 1992, in its anisotropic form.
    """
    rows, columns = _AbsoluteDifferences.apply(images, 2), _AbsoluteDifferences.apply(images, 3)
    return rows + columns


class _AbsoluteDifferences(torch.autograd.Function):
    """Mean absolute difference of neighbours along an axis, (batch,); autograd's own takes twice as long."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, axis: int) -> Tensor:
        differences = images.diff(dim=axis)
        ctx.axis = axis
        ctx.save_for_backward(differences)
        return differences.abs().mean((1, 2, 3))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (differences,) = ctx.saved_tensors
        axis, length = ctx.axis, differences.shape[ctx.axis]
        slopes = differences.sign().mul_(gradients[0][:, None, None, None] / differences[0].numel())
        first = slopes.narrow(axis, 0, 1)
        whole = torch.cat([first.neg(), slopes], axis)
        whole.narrow(axis, 1, length - 1).sub_(slopes.narrow(axis, 1, length - 1))
        return whole, None


def colour_variation(images: Tensor) -> Tensor:
    """Total variation of the colours alone: each channel less the mean of the three, (batch,).

    Edges of photographs are mostly changes of brightness; coloured fringes are a mark of inversion.
    """
    # A sum of planes: in the layout of convolutions a mean over channels takes ten times as long.
    red, green, blue = images.unbind(1)
    return total_variation(images - ((red + green + blue) / 3)[:, None])


def squared_norm(images: Tensor) -> Tensor:
    """Mean squared distance of the pixels from mid-grey, (batch,)."""
    return (images - 0.5).square().mean((1, 2, 3))


def variation_norm(images: Tensor) -> Tensor:
    """Euclidean norms of the differences of neighbouring pixels over the whole batch, (batch,), all alike.

    Four neighbours each: right, below, and both diagonals below; pixels in units of -1..1. As published,
    the norm spans the batch, so that each image's penalty is that of its batch.

    Source: Yin et al., arXiv:1912.08795, in the form of its published settings.
    """
    pixels = 2 * images
    differences = (
        pixels[..., 1:] - pixels[..., :-1],
        pixels[..., 1:, :] - pixels[..., :-1, :],
        pixels[..., 1:, 1:] - pixels[..., :-1, :-1],
        pixels[..., 1:, :-1] - pixels[..., :-1, 1:],
    )
    return torch.stack([torch.linalg.vector_norm(one) for one in differences]).sum().expand(len(images))


def image_norm(images: Tensor) -> Tensor:
    """Euclidean norm of each image, pixels in units of -1..1, (batch,).

    Source: Yin et al., arXiv:1912.08795.
    """
    return torch.linalg.vector_norm(2 * images - 1, dim=(1, 2, 3))


#: Total variation and l2 by the names of the command line.
IMAGE_PRIORS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "mean": (total_variation, squared_norm),
    "norm": (variation_norm, image_norm),
}
