"""Measure a network on faces: statistics of activations, nearest neighbours, the regression."""

import contextlib
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcinvert.knowledge.activation_statistics import (
    ActivationSite,
    LayerMoments,
    MeasuredStatistics,
    Side,
    measurable_sites,
    mirrored_moments,
)
from arcinvert.knowledge.nearest_neighbours import NeighbourCollector
from arcinvert.knowledge.regression import RegressionSums
from recognition.errors import InputError
from recognition.recogniser import Recogniser

#: The number of faces, about, after which statistics of activations change little. Nearest neighbours and the
#: regression gain by all there are.
ACTIVATION_FACES = 1024
#: Sides of the activations whose positions are measured: larger maps add little and make large files.
_MAP_SIDES = range(2, 15)


@torch.no_grad()
def measure(
    recogniser: Recogniser, batches: Iterable[Tensor], *, pattern: str | None = None, keep_faces: bool = True
) -> MeasuredStatistics:
    """Return statistics of a frozen recogniser over aligned faces and their mirror images.

    Args:
        recogniser: The network.
        batches: Images, shape (batch, 3, h, w) in [0, 1]. Activations are measured on about the first
            `ACTIVATION_FACES`; nearest neighbours and the regression use all.
        pattern: See `measurable_sites`.
        keep_faces: Whether to keep the faces as nearest neighbours, which show people.

    Raises:
        InputError: If there is no layer to measure, or no image.
    """
    sites = measurable_sites(recogniser, pattern)
    activations = {name: _Activation() for name, _, _ in sites}
    images, neighbours, sums = 0, NeighbourCollector(), RegressionSums()
    with contextlib.ExitStack() as stack:
        for name, side, module in sites:
            handle = module.register_forward_hook(_collect(activations[name], side, threading.get_ident()))
            stack.callback(handle.remove)
        for batch in batches:
            if images >= ACTIVATION_FACES:
                stack.close()
            else:
                images += len(batch)
            templates = recogniser(batch)
            # Synthetic faces are symmetric: their mirror images need no second pass.
            flipped = batch.flip(-1)
            mirrored = templates if torch.equal(batch, flipped) else recogniser(flipped)
            if keep_faces:
                neighbours.add(templates, mirrored, batch)
            sums.add(F.normalize(templates + mirrored), batch)
    layers = tuple(
        activations[name].statistics(name, side)
        for name, side, _ in sites
        if activations[name].channels.count
    )
    if not layers:
        raise InputError("statistics: expected at least one image to measure, got none")
    return MeasuredStatistics(
        layers,
        recogniser.source.fingerprint,
        recogniser.name,
        images,
        neighbours.result() if keep_faces else None,
        sums.fit(),
        preprocessing=recogniser.preprocessing,
    )


def _collect(
    activation: "_Activation", side: str, thread: int
) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        # Another thread may embed photographs with the same network meanwhile.
        if threading.get_ident() == thread:
            activation.add(inputs[0] if side == "input" else output, module)

    return hook


class _Activation:
    """Statistics of one activation's channels and, where there are few, of its positions."""

    def __init__(self) -> None:
        self.axis = 1
        self.channels = _Moments()
        self.positions = _Moments()

    def add(self, activations: Tensor, module: nn.Module) -> None:
        if self.channels.count == 0:
            self.axis = _channel_axis(activations, module)
        self.channels.add(activations, axes_besides(activations, self.axis))
        maps = isinstance(module, nn.Conv2d) and activations.ndim == 4
        if maps and all(side in _MAP_SIDES for side in activations.shape[2:]):
            self.positions.add(activations, (0,))

    def statistics(self, name: str, side: Side) -> LayerMoments:
        channels, positions = self.channels, self.positions
        layer = LayerMoments(
            ActivationSite(name, side, self.axis),
            channels.mean.float(),
            channels.variance.float(),
            channels.count,
        )
        if not positions.count:
            return layer
        # A stride samples both sides of an image differently; faces in general have no side.
        mean, variance = mirrored_moments(positions.mean, positions.variance)
        return replace(layer, map_mean=mean.float(), map_variance=variance.float())


class _Moments:
    """Mean and variance over some axes, summed batch by batch.

    Source: Chan, Golub and LeVeque, COMPSTAT 1982, for the sums of two parts.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(())
        self.squares = torch.zeros(())

    @property
    def variance(self) -> Tensor:
        return self.squares / self.count

    def add(self, activations: Tensor, axes: tuple[int, ...]) -> None:
        # A batch alone is exact enough in float32; its sums with others are kept in float64.
        moments = torch.var_mean(activations.detach().float(), dim=axes, correction=0)
        variance, mean = (moment.cpu().double() for moment in moments)
        count = activations.numel() // mean.numel()
        total = self.count + count
        difference = mean - self.mean
        self.squares = self.squares + variance * count + difference.square() * (self.count * count / total)
        self.mean = self.mean + difference * (count / total)
        self.count = total


def axes_besides(activations: Tensor, axis: int) -> tuple[int, ...]:
    """Return all axes but that of the channels."""
    return tuple(one for one in range(activations.ndim) if one != axis % activations.ndim)


def _channel_axis(activations: Tensor, module: nn.Module) -> int:
    if isinstance(module, nn.Conv2d):
        return 1
    if isinstance(module, nn.LayerNorm) and activations.shape[-1] != module.normalized_shape[-1]:
        # Some networks normalise (batch, channels, h, w) over the second axis.
        return 1
    return -1
