"""Priors on the picture itself."""

from torch import Tensor


def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels, rows plus columns, (batch,).

    Source: Rudin, Osher and Fatemi, Physica D 60, 1992, in its anisotropic form.
    """
    rows = (images[..., 1:, :] - images[..., :-1, :]).abs().mean((1, 2, 3))
    columns = (images[..., :, 1:] - images[..., :, :-1]).abs().mean((1, 2, 3))
    return rows + columns


def squared_variation(images: Tensor) -> Tensor:
    """Mean squared difference of neighbouring pixels, rows plus columns, (batch,)."""
    rows = (images[..., 1:, :] - images[..., :-1, :]).square().mean((1, 2, 3))
    columns = (images[..., :, 1:] - images[..., :, :-1]).square().mean((1, 2, 3))
    return rows + columns


def squared_norm(images: Tensor) -> Tensor:
    """Mean squared distance of the pixels from mid-grey, (batch,)."""
    return (images - 0.5).square().mean((1, 2, 3))
