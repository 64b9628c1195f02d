"""Priors on the picture itself."""

from torch import Tensor


def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels, rows plus columns, (batch,).

    Source: Rudin, Osher and Fatemi, Physica D 60, 1992, in its anisotropic form.
    """
    rows = (images[..., 1:, :] - images[..., :-1, :]).abs().mean((1, 2, 3))
    columns = (images[..., :, 1:] - images[..., :, :-1]).abs().mean((1, 2, 3))
    return rows + columns


def colour_variation(images: Tensor) -> Tensor:
    """Total variation of the colours alone: each channel less the mean of the three, (batch,).

    Edges of photographs are mostly changes of brightness; coloured fringes are a mark of inversion.
    """
    return total_variation(images - images.mean(1, keepdim=True))


def squared_norm(images: Tensor) -> Tensor:
    """Mean squared distance of the pixels from mid-grey, (batch,)."""
    return (images - 0.5).square().mean((1, 2, 3))
