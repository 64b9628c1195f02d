"""The shipped eigenfaces: the mean of public faces and the directions that they vary along.

Coordinates along them are in units of their standard deviation, so that those of faces are about N(0, 1).

Source: Turk and Pentland, Journal of Cognitive Neuroscience 3(1), 1991.
"""

import functools
from importlib.resources import files

import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor


@functools.cache
def load_eigenfaces() -> tuple[Tensor, Tensor, Tensor]:
    """The shipped mean, (3, s, s), unit directions, (n, 3, s, s), and standard deviations, (n,)."""
    tensors = load_file(str(files("arcinvert").joinpath("data/eigenfaces.safetensors")))
    return tensors["mean"].float(), tensors["directions"].float(), tensors["deviations"].float()


def coordinates_of(images: Tensor) -> Tensor:
    """Coordinates, (batch, n), of aligned images, (batch, 3, h, w) in [0, 1]."""
    mean, directions, deviations = (tensor.to(images) for tensor in load_eigenfaces())
    coarse = F.interpolate(images, list(mean.shape[-2:]), mode="bilinear", antialias=True)
    return (coarse - mean).flatten(1) @ directions.flatten(1).T / deviations


def faces_of(coordinates: Tensor) -> Tensor:
    """Images, (batch, 3, s, s), of coordinates, (batch, n); may leave [0, 1]."""
    mean, directions, deviations = (tensor.to(coordinates) for tensor in load_eigenfaces())
    return (coordinates * deviations @ directions.flatten(1)).unflatten(1, mean.shape) + mean
