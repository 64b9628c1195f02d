"""Statistics priors: activations of the images should have the statistics of faces.

These are the running statistics of BatchNorm layers, left by the training faces, or statistics measured on
public faces (measured.py) where a network has none.

The statistics span the whole batch (images and places), as the running ones do; so the penalty of
each image is that of its batch.
"""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from arcinvert.frozen import is_frozen, normalise, replaced_forward, slopes
from arcinvert.priors.measured import MeasuredStatistics, listen


@dataclass(frozen=True)
class LayerStatistics:
    """One activation in this batch, and on faces (running, or measured): each (channels,)."""

    mean: Tensor
    variance: Tensor
    running_mean: Tensor
    running_variance: Tensor


class BatchNormPrior(ABC):
    """Listens to a network's activations while `listening`.

    Args:
        statistics: measured ones; None listens to the inputs of two-dimensional BatchNorms, whose
            running statistics it takes.
    """

    def __init__(self, statistics: MeasuredStatistics | None = None) -> None:
        self._layers: list[LayerStatistics] = []
        self._statistics = statistics

    @abstractmethod
    def penalty(self, layers: Sequence[LayerStatistics]) -> Tensor:
        """The penalty of all layers, in the network's order: a scalar."""

    @contextlib.contextmanager
    def listening(self, network: nn.Module) -> Iterator[None]:
        """Listen to every BatchNorm2d with running statistics, or where statistics were measured."""
        with contextlib.ExitStack() as stack:
            if self._statistics is not None:
                for handle in listen(network, self._statistics, self._hear):
                    stack.callback(handle.remove)
            else:
                for module in statistics_layers(network):
                    stack.enter_context(self._listening_to(module))
            stack.callback(self._layers.clear)
            yield

    def _listening_to(self, module: nn.BatchNorm2d) -> contextlib.AbstractContextManager[None]:
        of_faces = module.get_buffer("running_mean"), module.get_buffer("running_var")
        factors = slopes(module) if is_frozen(module) else None

        def hear(activations: Tensor) -> Tensor:
            if factors is None:
                self._hear(activations, 1, *of_faces)
                return type(module).forward(module, activations)
            normalised, mean, variance = NormalisedMoments.apply(activations, module, factors)
            self._layers.append(LayerStatistics(mean, variance, *of_faces))
            return normalised

        return replaced_forward(module, hear)

    def _hear(self, activations: Tensor, axis: int, of_faces: Tensor, variance_of_faces: Tensor) -> None:
        if not torch.is_grad_enabled():
            return
        if activations.ndim != 4 or axis != 1:
            # Tokens and the like: (batch, ..., channels) to one column of places.
            activations = activations.movedim(axis, 1).flatten(2 if activations.ndim > 2 else 1)
            activations = activations.reshape(*activations.shape[:2], -1, 1)
        # Half precision alone is widened: its sums would lose digits.
        activations = activations.to(torch.promote_types(activations.dtype, torch.float32))
        mean, variance = ChannelMoments.apply(activations)
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


def channel_moments(activations: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel over images and places, without gradients: two of (c,)."""
    if activations.device.type == "cpu":
        # A BatchNorm's own kernel: many times as fast as a reduction along images and places.
        mean, variance = torch.batch_norm_update_stats(activations, None, None, 0.0)
        return mean, variance
    variance, mean = torch.var_mean(activations, dim=(0, 2, 3), correction=0)
    return mean, variance


def _moments_slope(activations: Tensor, mean: Tensor, of_mean: Tensor, of_variance: Tensor) -> Tensor:
    """The gradient of both moments, which is linear in the activations: one multiply-add."""
    count = activations.numel() / activations.shape[1]
    slope = 2 / count * of_variance
    offset = of_mean / count - slope * mean
    return torch.addcmul(offset[:, None, None], activations, slope[:, None, None])


class ChannelMoments(torch.autograd.Function):
    """Mean and variance of each channel over images and places: (batch, c, h, w) to two of (c,).

    Both have a gradient that is linear in the activations, so the backward pass is one multiply-add of
    them; autograd's own for `var_mean` takes several passes.
    """

    @staticmethod
    def forward(ctx: Any, activations: Tensor) -> tuple[Tensor, Tensor]:
        mean, variance = channel_moments(activations)
        ctx.save_for_backward(activations, mean)
        return mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        activations, mean = ctx.saved_tensors
        return _moments_slope(activations, mean, *gradients)


class NormalisedMoments(torch.autograd.Function):
    """A frozen BatchNorm and the moments of its input: (batch, c, h, w) to the same and two of (c,).

    Their gradients meet in the activations, so one pass more adds the normalisation's to the moments',
    where autograd would make each of its own and then their sum.
    """

    @staticmethod
    def forward(
        ctx: Any, activations: Tensor, module: nn.BatchNorm2d, factors: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        # Half precision alone is widened: its sums would lose digits.
        wide = activations.to(torch.promote_types(activations.dtype, torch.float32))
        mean, variance = channel_moments(wide)
        ctx.save_for_backward(activations, mean)
        ctx.factors = factors
        return normalise(module, activations), mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        gradient, of_mean, of_variance = gradients
        activations, mean = ctx.saved_tensors
        slope = _moments_slope(activations, mean, of_mean, of_variance)
        return slope.addcmul_(gradient, ctx.factors), None, None


def _joined(layers: Sequence[LayerStatistics]) -> LayerStatistics:
    """All layers' channels in a row: a few operations on them, where a few for each layer cost more."""
    return LayerStatistics(*(torch.cat([getattr(one, field.name) for one in layers]) for field in _FIELDS))


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
        shares = torch.cat([torch.full_like(one.running_mean, 1 / len(one.mean)) for one in layers])
        return ((means + (ratios - 1).square()) * shares).sum() / len(layers)


#: By the names of the command line.
PRIORS: dict[str, type[BatchNormPrior]] = {
    "paper": PaperPrior,
    "deepinversion": DeepInversionPrior,
    "scale-free": ScaleFreePrior,
}
