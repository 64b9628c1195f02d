"""The shipped eigenfaces: the mean of public faces and the directions that they vary along.

Coordinates along them are in units of their standard deviation, so that those of faces are about N(0, 1).
Faces and their mirror images were counted alike, so that an eigenface is its own mirror image, or the
negative of it: the file has the left halves.

Source: Turk and Pentland, Journal of Cognitive Neuroscience 3(1), 1991.
"""

import functools
from importlib.resources import files

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor


@functools.cache
def load_face_pca() -> tuple[Tensor, Tensor, Tensor]:
    """The shipped mean, (3, s, s), unit directions, (n, 3, s, s), and standard deviations, (n,)."""
    tensors = load_file(str(files("arcinvert").joinpath("data/face_pca.safetensors")))
    halves, parity = tensors["halves"].float(), tensors["parity"].float()
    directions = torch.cat([halves, parity[:, None, None, None] * halves.flip(-1)], -1)
    return tensors["mean"].float(), directions, tensors["deviations"].float()


def pca_coefficients_of(images: Tensor, count: int | None = None) -> Tensor:
    """Coordinates, (batch, n), of aligned images, (batch, 3, h, w) in [0, 1]; or the first `count`."""
    mean, directions, deviations = _first(count, images)
    coarse = F.interpolate(images, list(mean.shape[-2:]), mode="bilinear", antialias=True)
    return (coarse - mean).flatten(1) @ directions.flatten(1).T / deviations


def faces_of(coordinates: Tensor) -> Tensor:
    """Images, (batch, 3, s, s), of the first coordinates, (batch, n); may leave [0, 1]."""
    mean, directions, deviations = _first(coordinates.shape[1], coordinates)
    return (coordinates * deviations @ directions.flatten(1)).unflatten(1, mean.shape) + mean


def _first(count: int | None, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The mean, and `count` directions and deviations: they alone go to a tensor's device and type."""
    mean, directions, deviations = load_face_pca()
    return mean.to(like), directions[:count].to(like), deviations[:count].to(like)
