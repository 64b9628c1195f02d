"""Relative BatchNorm statistics, and the statistics of each position of the activations."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from arcinvert.inversion.penalties.base import Setting
from arcinvert.inversion.penalties.bn_relative import RelativeStatistics
from arcinvert.inversion.penalties.moments import Moments, widened
from arcinvert.knowledge.activation_statistics import (
    CALIBRATE,
    LayerMoments,
    MeasuredStatistics,
    mirrored_moments,
    observe,
)
from recognition.errors import InputError


class PerPositionStatistics(RelativeStatistics):
    """Relative statistics, and with them where things are: each activation at each position as on faces.

    Over the batch and its mirror images, the mean of each activation should be that of faces, in units of
    their standard deviation at that position, and so should its standard deviation. The squared differences
    are averaged over channels and positions, then over layers.

    Args:
        statistics: Statistics measured on public faces, with maps of positions.
    """

    #: The weight of the positions' part; the channels' part has weight 1.
    WEIGHT = 2.0
    #: The fraction of a channel's mean variance that is added to the variance at each position, of faces and
    #: of the batch: some positions are nearly constant and would dominate the rest.
    FLOOR = 0.05
    #: Keeps the square root's gradient finite.
    SMALLEST_VARIANCE_RATIO = 1e-8

    def __init__(self, statistics: MeasuredStatistics | None = None) -> None:
        super().__init__(statistics)
        self._maps = () if statistics is None else statistics.maps
        self._positions: list[Tensor] = []
        self._of_faces: dict[str, tuple[Tensor, Tensor, Tensor]] = {}

    @classmethod
    def missing(cls, setting: Setting) -> str | None:
        if setting.statistics is None or not setting.statistics.maps:
            return f"expected statistics of each position, found none; {CALIBRATE}"
        return super().missing(setting)

    @contextlib.contextmanager
    def observing(self, network: nn.Module) -> Iterator[None]:
        """Collect the statistics of channels, and of positions where these were measured."""
        with super().observing(network), contextlib.ExitStack() as stack:
            for handle in observe(network, self._maps, self._add_positions):
                stack.callback(handle.remove)
            stack.callback(self._positions.clear)
            stack.callback(self._of_faces.clear)
            yield

    def _add_positions(self, activations: Tensor, layer: LayerMoments) -> None:
        if not torch.is_grad_enabled():
            return
        face_mean, floor, inverse = self._with_floor(layer)
        if activations.shape[1:] != inverse.shape:
            raise InputError(
                f"statistics: expected {layer.site.name} of {tuple(inverse.shape)}, as calibrated, got "
                f"{tuple(activations.shape[1:])}; calibrate for this input size"
            )
        mean, variance = mirrored_moments(*Moments.apply(widened(activations), (0,)))
        means = (mean - face_mean).square() * inverse
        ratios = ((variance + floor) * inverse + self.SMALLEST_VARIANCE_RATIO).sqrt()
        self._positions.append(means.mean() + (ratios - 1).square().mean())

    def _with_floor(self, layer: LayerMoments) -> tuple[Tensor, Tensor, Tensor]:
        """Return the mean on faces, what is added to variances, (channels, 1, 1), and one over their sum."""
        name, mean, variance = layer.site.name, layer.map_mean, layer.map_variance
        if name not in self._of_faces and mean is not None and variance is not None:
            floor = self.FLOOR * variance.mean((1, 2), keepdim=True)
            inverse = (variance + floor).clamp_min(self.SMALLEST_VARIANCE).reciprocal()
            self._of_faces[name] = mean, floor, inverse
        return self._of_faces[name]

    def __call__(self, images: Tensor) -> Tensor:
        positions = torch.stack(self._positions).mean()
        self._positions.clear()
        return super().__call__(images) + self.WEIGHT * positions
