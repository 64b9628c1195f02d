"""Statistics priors: activations of the images should have the statistics of faces.

These are the running statistics of BatchNorm layers, left by the training faces, or statistics measured on
public faces (measured.py) where a network has none; those of each place are measured ones in any case.

The statistics span the whole batch (images and places), as the running ones do, and the penalty of each
image is that of its batch; but for `PerImagePrior`.
"""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from arcinvert.inversion.input_gradients import is_frozen, normalise, replaced_forward, slopes
from arcinvert.knowledge.activation_statistics import (
    LayerMoments,
    MeasuredStatistics,
    listen,
    mirrored_moments,
)
from recognition.errors import InputError

#: Axes of (batch, channels, h, w) that moments are taken over.
Axes = tuple[int, ...]


@dataclass(frozen=True)
class LayerStatistics:
    """One activation in this batch, and on faces (running, or measured): each (channels,).

    The batch's are (batch, channels) where each image has its own.
    """

    mean: Tensor
    variance: Tensor
    running_mean: Tensor
    running_variance: Tensor


class BatchNormPrior(ABC):
    """Listens to a network's activations while `listening`.

    Args:
        statistics: measured ones, for a network without statistics of its own; one that has two-dimensional
            BatchNorms is heard at their inputs, and their running statistics are taken.
    """

    #: What a channel's statistics in the batch are taken over: images and places.
    axes: Axes = (0, 2, 3)

    def __init__(self, statistics: MeasuredStatistics | None = None) -> None:
        self._layers: list[LayerStatistics] = []
        self._statistics = statistics

    @abstractmethod
    def penalty(self, layers: Sequence[LayerStatistics]) -> Tensor:
        """The penalty of all layers, in the network's order: a scalar."""

    @contextlib.contextmanager
    def listening(self, network: nn.Module) -> Iterator[None]:
        """Listen to every BatchNorm2d with running statistics, or else where statistics were measured."""
        with contextlib.ExitStack() as stack:
            own = statistics_layers(network)
            for module in own:
                stack.enter_context(self._listening_to(module))
            if self._statistics is not None and not own:
                for handle in listen(network, self._statistics.layers, self._hear_layer):
                    stack.callback(handle.remove)
            stack.callback(self._layers.clear)
            yield

    def _listening_to(self, module: nn.BatchNorm2d) -> contextlib.AbstractContextManager[None]:
        of_faces = module.get_buffer("running_mean"), module.get_buffer("running_var")
        factors = slopes(module) if is_frozen(module) else None

        def hear(activations: Tensor) -> Tensor:
            if factors is None:
                self._hear(activations, 1, *of_faces)
                return type(module).forward(module, activations)
            normalised, mean, variance = NormalisedMoments.apply(activations, module, factors, self.axes)
            self._layers.append(LayerStatistics(mean, variance, *of_faces))
            return normalised

        return replaced_forward(module, hear)

    def _hear_layer(self, activations: Tensor, layer: LayerMoments) -> None:
        self._hear(activations, layer.place.axis, layer.mean, layer.variance)

    def _hear(self, activations: Tensor, axis: int, of_faces: Tensor, variance_of_faces: Tensor) -> None:
        if not torch.is_grad_enabled():
            return
        if activations.ndim != 4 or axis != 1:
            # Tokens and the like: (batch, ..., channels) to one column of places.
            activations = activations.movedim(axis, 1).flatten(2 if activations.ndim > 2 else 1)
            activations = activations.reshape(*activations.shape[:2], -1, 1)
        mean, variance = Moments.apply(_wide(activations), self.axes)
        self._layers.append(LayerStatistics(mean, variance, of_faces, variance_of_faces))

    def __call__(self) -> Tensor:
        """The penalty of the pass just made, a scalar; forgets the pass."""
        layers = self._layers.copy()
        self._layers.clear()
        return self.penalty(layers)


def statistics_layers(network: nn.Module) -> list[nn.BatchNorm2d]:
    """The BatchNorm2d layers whose running statistics a prior can use."""
    return [
        module
        for module in network.modules()
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None
    ]


def _wide(activations: Tensor) -> Tensor:
    """Half precision alone is widened: its sums would lose digits."""
    return activations.to(torch.promote_types(activations.dtype, torch.float32))


def moments_over(activations: Tensor, axes: Axes) -> tuple[Tensor, Tensor]:
    """Mean and variance of (batch, c, h, w) over some axes, without gradients."""
    if activations.device.type != "cpu":
        variance, mean = torch.var_mean(activations, dim=axes, correction=0)
        return mean, variance
    # A CPU's kernels for this take many times as long as a BatchNorm's own, or a product with ones.
    if axes == (0, 2, 3):
        mean, variance = torch.batch_norm_update_stats(activations, None, None, 0.0)
        return mean, variance
    mean = _mean_over(activations, axes)
    return mean, _mean_over((activations - _spread(mean, activations, axes)).square(), axes)


def _mean_over(activations: Tensor, axes: Axes) -> Tensor:
    """The mean of (batch, c, h, w) over images, (c, h, w), or places, (batch, c)."""
    batch, _, height, width = activations.shape
    in_order = activations.permute(0, 2, 3, 1) if _channels_are_last(activations) else activations
    if axes == (0,):
        ones = activations.new_full((1, batch), 1 / batch)
        mean = (ones @ in_order.reshape(batch, -1)).view(in_order.shape[1:])
        return mean.permute(2, 0, 1) if in_order is not activations else mean
    if in_order is activations:
        return activations.mean((2, 3))
    ones = activations.new_full((1, height * width), 1 / (height * width))
    return (ones @ in_order.flatten(1, 2)).squeeze(1)


def _channels_are_last(activations: Tensor) -> bool:
    """In memory."""
    last = activations.is_contiguous(memory_format=torch.channels_last)
    return last and not activations.is_contiguous()


def _spread(values: Tensor, activations: Tensor, axes: Axes) -> Tensor:
    """What was taken over axes, in a shape and order of memory that goes with the activations."""
    if axes != (0,):
        return values[..., None, None]
    if _channels_are_last(activations):
        return values[None].contiguous(memory_format=torch.channels_last)
    return values.contiguous()


def _moments_slope(
    activations: Tensor, axes: Axes, mean: Tensor, of_mean: Tensor, of_variance: Tensor
) -> Tensor:
    """The gradient of both moments, which is linear in the activations: one multiply-add."""
    count = activations.numel() / mean.numel()
    slope = 2 / count * of_variance
    offset = of_mean / count - slope * mean
    offset, slope = (_spread(values, activations, axes) for values in (offset, slope))
    return torch.addcmul(offset, activations, slope)


class Moments(torch.autograd.Function):
    """Mean and variance of (batch, c, h, w) over axes: images (0), places (2, 3), or both.

    Both have a gradient that is linear in the activations, so the backward pass is one multiply-add of
    them; autograd's own for `var_mean` takes several passes.
    """

    @staticmethod
    def forward(ctx: Any, activations: Tensor, axes: Axes) -> tuple[Tensor, Tensor]:
        mean, variance = moments_over(activations, axes)
        ctx.save_for_backward(activations, mean)
        ctx.axes = axes
        return mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        activations, mean = ctx.saved_tensors
        return _moments_slope(activations, ctx.axes, mean, *gradients), None


class NormalisedMoments(torch.autograd.Function):
    """A frozen BatchNorm and the moments of its input: (batch, c, h, w) to the same, and as `Moments`.

    Their gradients meet in the activations, so one pass more adds the normalisation's to the moments',
    where autograd would make each of its own and then their sum.
    """

    @staticmethod
    def forward(
        ctx: Any, activations: Tensor, module: nn.BatchNorm2d, factors: Tensor, axes: Axes
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean, variance = moments_over(_wide(activations), axes)
        ctx.save_for_backward(activations, mean)
        ctx.factors, ctx.axes = factors, axes
        return normalise(module, activations), mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        gradient, of_mean, of_variance = gradients
        activations, mean = ctx.saved_tensors
        slope = _moments_slope(activations, ctx.axes, mean, of_mean, of_variance)
        return slope.addcmul_(gradient, ctx.factors), None, None, None


def _joined(layers: Sequence[LayerStatistics]) -> LayerStatistics:
    """All layers' channels in a row: a few operations on them, where a few for each layer cost more."""
    return LayerStatistics(
        *(torch.cat([getattr(one, field.name) for one in layers], -1) for field in _FIELDS)
    )


_FIELDS = fields(LayerStatistics)


class PaperPrior(BatchNormPrior):
    """Squared differences of means and of standard deviations, summed over layers.

    Source: Deng et al., arXiv:1801.07698v4, section 3.3.
    """

    def penalty(self, layers: Sequence[LayerStatistics]) -> Tensor:
        all_layers = _joined(layers)
        deviation = (all_layers.variance + 1e-8).sqrt() - all_layers.running_variance.sqrt()
        return (all_layers.mean - all_layers.running_mean).square().sum() + deviation.square().sum()


class DeepInversionPrior(BatchNormPrior):
    """Norms of the differences of means and of variances, the first layer ten times.

    Source: Yin et al., arXiv:1912.08795, and the factor of its published settings.
    """

    FIRST_LAYER = 10.0

    def penalty(self, layers: Sequence[LayerStatistics]) -> Tensor:
        norms = [
            torch.linalg.vector_norm(layer.mean - layer.running_mean)
            + torch.linalg.vector_norm(layer.variance - layer.running_variance)
            for layer in layers
        ]
        return torch.stack([norms[0] * self.FIRST_LAYER, *norms[1:]]).sum()


class ScaleFreePrior(BatchNormPrior):
    """Differences in units of the training faces' standard deviation, averaged over layers.

    A layer's weight then depends neither on its number of channels nor on their size.
    """

    SMALLEST_VARIANCE = 1e-6

    def penalty(self, layers: Sequence[LayerStatistics]) -> Tensor:
        all_layers = _joined(layers)
        variance = all_layers.running_variance.clamp_min(self.SMALLEST_VARIANCE)
        means = (all_layers.mean - all_layers.running_mean).square() / variance
        ratios = (all_layers.variance / variance + 1e-8).sqrt()
        # Each channel's share in the mean over layers of their means over channels.
        shares = torch.cat([torch.full_like(one.running_mean, 1 / len(one.running_mean)) for one in layers])
        return ((means + (ratios - 1).square()) * shares).sum(-1).mean() / len(layers)


class PerImagePrior(ScaleFreePrior):
    """The scale-free differences of each image's own statistics, over its places; their mean over images.

    One image's statistics are not the population's, but each image answers for its own: none can make up
    for another.
    """

    axes = (2, 3)


class PerLocationPrior(ScaleFreePrior):
    """The scale-free form, and with it where things are: each activation at each place is as on faces.

    Over the batch and its mirror images, the mean of each should be that of faces, in units of their
    standard deviation there, and the standard deviation the same; mean squares over channels and places,
    averaged over layers.

    Args:
        statistics: measured ones, with maps of places; of the channels they are taken as by any prior.
    """

    #: Of the places, beside the channels' 1.
    WEIGHT = 2.0
    #: Share of a channel's mean variance that is added to the variance at each place, of faces and of the
    #: batch: some places are nearly constant, and would rule the rest.
    FLOOR = 0.05
    SMALLEST_VARIANCE_RATIO = 1e-8

    def __init__(self, statistics: MeasuredStatistics | None = None) -> None:
        super().__init__(statistics)
        self._maps = () if statistics is None else statistics.maps
        self._places: list[Tensor] = []
        self._of_faces: dict[str, tuple[Tensor, Tensor, Tensor]] = {}
        if not self._maps:
            raise InputError("prior: expected statistics of places for per-location, got none; calibrate")

    @contextlib.contextmanager
    def listening(self, network: nn.Module) -> Iterator[None]:
        """Listen to the channels, and where places were measured."""
        with super().listening(network), contextlib.ExitStack() as stack:
            for handle in listen(network, self._maps, self._hear_places):
                stack.callback(handle.remove)
            stack.callback(self._places.clear)
            stack.callback(self._of_faces.clear)
            yield

    def _hear_places(self, activations: Tensor, layer: LayerMoments) -> None:
        if not torch.is_grad_enabled():
            return
        mean_of_faces, floor, inverse = self._floored(layer)
        if activations.shape[1:] != inverse.shape:
            raise InputError(
                f"statistics: expected {layer.place.name} of {tuple(inverse.shape)}, as calibrated, got "
                f"{tuple(activations.shape[1:])}; calibrate for this input size"
            )
        mean, variance = mirrored_moments(*Moments.apply(_wide(activations), (0,)))
        means = (mean - mean_of_faces).square() * inverse
        ratios = ((variance + floor) * inverse + self.SMALLEST_VARIANCE_RATIO).sqrt()
        self._places.append(means.mean() + (ratios - 1).square().mean())

    def _floored(self, layer: LayerMoments) -> tuple[Tensor, Tensor, Tensor]:
        """The mean, what is added to variances, (channels, 1, 1), and one over those of faces with it."""
        name, mean, variance = layer.place.name, layer.map_mean, layer.map_variance
        if name not in self._of_faces and mean is not None and variance is not None:
            floor = self.FLOOR * variance.mean((1, 2), keepdim=True)
            inverse = (variance + floor).clamp_min(self.SMALLEST_VARIANCE).reciprocal()
            self._of_faces[name] = mean, floor, inverse
        return self._of_faces[name]

    def __call__(self) -> Tensor:
        places = torch.stack(self._places).mean()
        self._places.clear()
        return super().__call__() + self.WEIGHT * places


#: By the names of the command line.
PRIORS: dict[str, type[BatchNormPrior]] = {
    "paper": PaperPrior,
    "deepinversion": DeepInversionPrior,
    "scale-free": ScaleFreePrior,
    "per-image": PerImagePrior,
    "per-location": PerLocationPrior,
}
