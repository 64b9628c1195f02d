"""Mean and variance of activations, with gradients that cost one multiply-add."""

from typing import Any

import torch
from torch import Tensor, nn

from arcinvert.inversion.input_gradients import normalise

#: Axes of (batch, channels, h, w) that moments are taken over.
Axes = tuple[int, ...]


def widened(activations: Tensor) -> Tensor:
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
        mean, variance = moments_over(widened(activations), axes)
        ctx.save_for_backward(activations, mean)
        ctx.factors, ctx.axes = factors, axes
        return normalise(module, activations), mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        gradient, of_mean, of_variance = gradients
        activations, mean = ctx.saved_tensors
        slope = _moments_slope(activations, ctx.axes, mean, of_mean, of_variance)
        return slope.addcmul_(gradient, ctx.factors), None, None, None
