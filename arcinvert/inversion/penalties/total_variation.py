"""Total variation of an image, and of its colours alone."""

from typing import Any

import torch
from torch import Tensor

from arcinvert.inversion.penalties.base import Penalty


class TotalVariation(Penalty):
    """Mean absolute difference of neighbouring pixels, rows plus columns.

    Source: Rudin, Osher and Fatemi, Physica D 60, 1992, in its anisotropic form.
    """

    def __call__(self, images: Tensor) -> Tensor:
        return total_variation(images)


class ColourVariation(Penalty):
    """Total variation of the colours alone: of each channel minus the mean of the three.

    Edges of photographs are mostly changes of brightness; coloured fringes are an artefact of inversion.
    """

    def __call__(self, images: Tensor) -> Tensor:
        # A sum of planes: in the memory layout of convolutions a mean over channels takes ten times as long.
        red, green, blue = images.unbind(1)
        return total_variation(images - ((red + green + blue) / 3)[:, None])


def total_variation(images: Tensor) -> Tensor:
    """Return the mean absolute differences of neighbours along rows plus columns, shape (batch,)."""
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
