"""The shipped face PCA: the mean of public faces and their principal components.

Coefficients are in units of their standard deviation, so that those of faces are about N(0, 1). Faces and
their mirror images were counted alike, so that each component is its own mirror image or the negative of it:
the file has the left halves.

Source: Turk and Pentland (eigenfaces), Journal of Cognitive Neuroscience 3(1), 1991.
"""

import functools
from importlib.resources import files

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor


@functools.cache
def load_face_pca() -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean, (3, s, s), the unit components, (n, 3, s, s), and their standard deviations, (n,)."""
    tensors = _tensors()
    halves, parity = left_halves()
    components = torch.cat([halves, parity[:, None, None, None] * halves.flip(-1)], -1)
    return tensors["mean"].float(), components, tensors["deviations"].float()


def left_halves() -> tuple[Tensor, Tensor]:
    """Return the left halves of the components, (n, 3, s, s / 2), and their parity, (n,).

    A component is its own mirror image where the parity is 1, and the negative of it where it is -1.
    """
    tensors = _tensors()
    return tensors["halves"].float(), tensors["parity"].float()


def _tensors() -> dict[str, Tensor]:
    return load_file(str(files("arcinvert").joinpath("data/face_pca.safetensors")))


def pca_coefficients_of(images: Tensor, count: int | None = None) -> Tensor:
    """Return the first `count` coefficients, or all, shape (batch, n), of aligned images.

    Args:
        images: Shape (batch, 3, h, w) in [0, 1].
        count: How many coefficients; None for all.
    """
    mean, components, deviations = _first(count, images)
    small = F.interpolate(images, list(mean.shape[-2:]), mode="bilinear", antialias=True)
    return (small - mean).flatten(1) @ components.flatten(1).T / deviations


def faces_of(coefficients: Tensor) -> Tensor:
    """Return images, shape (batch, 3, s, s), of the first coefficients, (batch, n); they may leave [0, 1]."""
    mean, components, deviations = _first(coefficients.shape[1], coefficients)
    return (coefficients * deviations @ components.flatten(1)).unflatten(1, mean.shape) + mean


def _first(count: int | None, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the mean, and the first components with deviations, on a tensor's device and of its type."""
    mean, components, deviations = load_face_pca()
    return mean.to(like), components[:count].to(like), deviations[:count].to(like)
