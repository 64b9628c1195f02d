"""Coordinates along the eigenfaces of public faces."""

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.inversion.parametrisations.base import Parametrisation, Views
from arcinvert.knowledge.face_pca import load_face_pca, pca_coefficients_of


class FacePCA(Parametrisation):
    """The mean public face plus its principal directions, in units of their standard deviation.

    The pictures are smooth, and always a face with natural colours, which no network enforces alone.
    `penalty` is a Gaussian prior on the coordinates.

    Source: Turk and Pentland, Journal of Cognitive Neuroscience 3(1), 1991.
    """

    learning_rate = 0.1
    # Smooth images cannot have the statistics of sharp ones.
    statistics_share = 0.1
    # They have no fringes, and more of the prior makes skin grey (benchmarks/faults.py).
    colour_weight = 1.0
    # Smooth images stand wide views without losing detail; with them, and with features hidden, more of
    # the person holds for a network that was not attacked.
    views = Views(shift=6, scale=0.15, feature_dropout=0.4)
    # Less wide where something of the person is known.
    views_from_likeness = Views(shift=4, scale=0.1)
    # From one face they end at one picture.
    restarts = 1

    def __init__(self, start: Tensor) -> None:
        self._size = list(start.shape[-2:])
        mean, directions, deviations = (tensor.to(start) for tensor in load_face_pca())
        self._mean = mean
        self._faces = (directions * deviations[:, None, None, None]).flatten(1)
        coordinates = pca_coefficients_of(start.detach())
        # Bicubic enlargement as a matrix: two small products take a fifth of the time of the kernel.
        side = mean.shape[-1]
        unit = torch.eye(side, device=start.device, dtype=start.dtype)[None, None]
        self._rows, self._columns = (
            F.interpolate(unit, (size, side), mode="bicubic")[0, 0] for size in self._size
        )
        self._coordinates = coordinates.requires_grad_()

    @property
    def parameters(self) -> list[Tensor]:
        return [self._coordinates]

    def images(self) -> Tensor:
        coarse = (self._coordinates @ self._faces).unflatten(1, self._mean.shape) + self._mean
        images = self._rows @ coarse @ self._columns.T
        return images.contiguous(memory_format=torch.channels_last)

    def penalty(self) -> Tensor:
        """Mean squared coordinate, (batch,), in squared standard deviations."""
        return self._coordinates.square().mean(1)
