"""Fourier coefficients: every step changes coarse structure more than fine structure."""

import torch
from torch import Tensor

from arcinvert.inversion.parametrisations.base import Parametrisation


class Fourier(Parametrisation):
    """Coefficients of the real two-dimensional Fourier transform, scaled by 1/f as in photographs.

    Source: Olah, Mordvintsev and Schubert, Feature Visualization, Distill 2017.
    """

    learning_rate = 0.2

    def __init__(self, start: Tensor) -> None:
        height, width = start.shape[-2:]
        self._size = (height, width)
        rows = torch.fft.fftfreq(height, device=start.device)[:, None]
        columns = torch.fft.rfftfreq(width, device=start.device)[None]
        # At frequency zero 1/f has no value; the lowest frequency is used there.
        frequency = (rows.square() + columns.square()).sqrt().clamp_min(1 / max(height, width))
        scale = 1 / frequency
        # A unit change of every coefficient then moves pixels by about one half together.
        self._scale = scale / scale.square().sum().sqrt()
        spectrum = torch.fft.rfft2(start.detach() - 0.5, norm="ortho") / self._scale
        self._coefficients = torch.view_as_real(spectrum).contiguous().requires_grad_()

    @property
    def parameters(self) -> list[Tensor]:
        return [self._coefficients]

    def images(self) -> Tensor:
        spectrum = torch.view_as_complex(self._coefficients) * self._scale
        return torch.fft.irfft2(spectrum, s=self._size, norm="ortho") + 0.5
