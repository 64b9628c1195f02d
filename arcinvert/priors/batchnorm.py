"""Statistics priors: activations of the images should have the statistics of faces.

These are the running statistics of BatchNorm layers, left by the training faces, or statistics measured on
public faces (measured.py) where a network has none.

The statistics span the whole batch (images and places), as the running ones do; so the penalty of
each image is that of its batch.
"""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

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
    def layer_penalty(self, layer: LayerStatistics, index: int) -> Tensor:
        """The penalty of the index-th layer, a scalar."""

    def combine(self, penalties: Tensor) -> Tensor:
        """The layers' penalties, (layers,), as one."""
        return penalties.sum()

    @contextlib.contextmanager
    def listening(self, network: nn.Module) -> Iterator[None]:
        """Hooks on every BatchNorm2d with running statistics, or where statistics were measured."""
        if self._statistics is None:
            handles = [
                module.register_forward_pre_hook(self._hear_batch_norm)
                for module in statistics_layers(network)
            ]
        else:
            handles = listen(network, self._statistics, self._hear)
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            self._layers.clear()

    def _hear_batch_norm(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._hear(inputs[0], 1, module.get_buffer("running_mean"), module.get_buffer("running_var"))

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
        penalties = [self.layer_penalty(layer, index) for index, layer in enumerate(self._layers)]
        self._layers.clear()
        return self.combine(torch.stack(penalties))


def statistics_layers(network: nn.Module) -> list[nn.BatchNorm2d]:
    """The BatchNorm2d layers whose running statistics a prior can use."""
    return [
        module
        for module in network.modules()
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None
    ]


class ChannelMoments(torch.autograd.Function):
    """Mean and variance of each channel over images and places: (batch, c, h, w) to two of (c,).

    Both have a gradient that is linear in the activations, so the backward pass is one multiply-add of
    them; autograd's own for `var_mean` takes several passes, and made a step of an attack 1.5 times
    as dear (benchmarks/step_cost.py).
    """

    @staticmethod
    def forward(ctx: Any, activations: Tensor) -> tuple[Tensor, Tensor]:
        # Rows are a view in the layout that frozen networks compute in, channels last.
        rows = activations.permute(0, 2, 3, 1).reshape(-1, activations.shape[1])
        mean = rows.mean(0)
        ctx.save_for_backward(activations, mean)
        # Rounding may bring a channel that is constant below zero.
        return mean, (rows.square().mean(0) - mean.square()).clamp_min(0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        activations, mean = ctx.saved_tensors
        of_mean, of_variance = gradients
        count = activations.numel() / activations.shape[1]
        slope = 2 / count * of_variance
        offset = of_mean / count - slope * mean
        return torch.addcmul(offset[:, None, None], activations, slope[:, None, None])


class PaperPrior(BatchNormPrior):
    """Squared differences of means and of standard deviations, summed over layers.

    Source: Deng et al., arXiv:1801.07698v4, section 3.3.
    """

    def layer_penalty(self, layer: LayerStatistics, index: int) -> Tensor:
        deviation = (layer.variance + 1e-8).sqrt() - layer.running_variance.sqrt()
        return (layer.mean - layer.running_mean).square().sum() + deviation.square().sum()


class DeepInversionPrior(BatchNormPrior):
    """Norms of the differences of means and of variances, the first layer ten times.

    Source: Yin et al., arXiv:1912.08795, and the factor of its published settings.
    """

    FIRST_LAYER = 10.0

    def layer_penalty(self, layer: LayerStatistics, index: int) -> Tensor:
        means = torch.linalg.vector_norm(layer.mean - layer.running_mean)
        variances = torch.linalg.vector_norm(layer.variance - layer.running_variance)
        return (means + variances) * (self.FIRST_LAYER if index == 0 else 1.0)


class ScaleFreePrior(BatchNormPrior):
    """Differences in units of the training faces' standard deviation, averaged over layers.

    A layer's weight then depends neither on its number of channels nor on their size.
    """

    SMALLEST_VARIANCE = 1e-6

    def layer_penalty(self, layer: LayerStatistics, index: int) -> Tensor:
        variance = layer.running_variance.clamp_min(self.SMALLEST_VARIANCE)
        means = ((layer.mean - layer.running_mean).square() / variance).mean()
        ratios = (layer.variance / variance + 1e-8).sqrt()
        return means + (ratios - 1).square().mean()

    def combine(self, penalties: Tensor) -> Tensor:
        return penalties.mean()


#: By the names of the command line.
PRIORS: dict[str, type[BatchNormPrior]] = {
    "paper": PaperPrior,
    "deepinversion": DeepInversionPrior,
    "scale-free": ScaleFreePrior,
}
