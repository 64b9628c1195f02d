"""The pixels themselves."""

import torch
from torch import Tensor

from arcinvert.inversion.parametrisations.base import Parametrisation


class Pixels(Parametrisation):
    """Pixels, kept in [0, 1] after each step."""

    learning_rate = 0.05

    def __init__(self, start: Tensor) -> None:
        self._pixels = start.detach().clone(memory_format=torch.channels_last).requires_grad_()

    @property
    def parameters(self) -> list[Tensor]:
        return [self._pixels]

    def images(self) -> Tensor:
        return self._pixels

    @torch.no_grad()
    def project(self) -> None:
        self._pixels.clamp_(0, 1)
