"""Layers of a frozen network whose backward pass goes to their input alone.

PyTorch's backward passes of PReLU and of BatchNorm also compute the gradients of their weights, which an
attack does not need: on a CPU that takes a fifth of a step or more (benchmarks/step_cost.py). Here they are a
multiply-add or two. Forward passes are PyTorch's own, so that a network's embeddings do not change.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@contextlib.contextmanager
def input_gradients(network: nn.Module) -> Iterator[None]:
    """Give frozen PReLU and BatchNorm2d layers, for a while, gradients for their input alone."""
    with contextlib.ExitStack() as stack:
        for module in network.modules():
            if type(module) is nn.PReLU and not module.weight.requires_grad:
                stack.enter_context(replaced_forward(module, _prelu(module)))
            elif type(module) is nn.BatchNorm2d and is_frozen(module):
                stack.enter_context(replaced_forward(module, _batch_norm(module)))
        yield


@contextlib.contextmanager
def replaced_forward(module: nn.Module, forward: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Replace what a module computes in passes with gradients, for a while."""
    before = vars(module).get("forward")
    usual = module.forward

    def choose(activations: Tensor) -> Tensor:
        return forward(activations) if torch.is_grad_enabled() else usual(activations)

    choose.replacement = forward  # type: ignore[attr-defined]
    module.forward = choose
    try:
        yield
    finally:
        if before is None:
            del module.forward
        else:
            module.forward = before


def replacement_of(module: nn.Module) -> object:
    """Return what replaces a module's forward pass in passes with gradients; None if nothing does."""
    return getattr(module.forward, "replacement", None)


def is_frozen(module: nn.BatchNorm2d) -> bool:
    """Return whether a BatchNorm is a fixed multiply-add: running statistics, no weight gradients."""
    return (
        not module.training
        and module.running_mean is not None
        and not any(parameter.requires_grad for parameter in module.parameters())
    )


def normalise(module: nn.BatchNorm2d, activations: Tensor) -> Tensor:
    """Return the output of a BatchNorm in evaluation mode for activations, (batch, c, h, w)."""
    return F.batch_norm(
        activations,
        module.running_mean,
        module.running_var,
        module.weight,
        module.bias,
        training=False,
        eps=module.eps,
    )


def slopes(module: nn.BatchNorm2d) -> Tensor:
    """Return the factor of each channel in a frozen BatchNorm, shape (c, 1, 1)."""
    factors = (module.get_buffer("running_var") + module.eps).rsqrt()
    return (factors if module.weight is None else factors * module.weight.detach())[:, None, None]


def _batch_norm(module: nn.BatchNorm2d) -> Callable[[Tensor], Tensor]:
    factors = slopes(module)
    return lambda activations: _FrozenBatchNorm.apply(activations, module, factors)


def _prelu(module: nn.PReLU) -> Callable[[Tensor], Tensor]:
    return lambda activations: _FrozenPReLU.apply(activations, module.weight)


class _FrozenBatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, activations: Tensor, module: nn.BatchNorm2d, factors: Tensor) -> Tensor:
        ctx.factors = factors
        return normalise(module, activations)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0] * ctx.factors, None, None


class _FrozenPReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, activations: Tensor, weight: Tensor) -> Tensor:
        result = torch.prelu(activations, weight)
        # Autocast may have narrowed the result: the backward pass is in its type.
        ctx.save_for_backward(activations.to(result.dtype))
        ctx.weight = weight.to(result.dtype)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (activations,), (gradient,) = ctx.saved_tensors, gradients
        weight = ctx.weight
        if weight.numel() > 1 and gradient.ndim > 2:
            weight = weight.view(-1, *[1] * (gradient.ndim - 2))
        # The gradient where positive, and a share `weight` of it elsewhere.
        positive = torch.ops.aten.threshold_backward(gradient, activations, 0)
        return positive.lerp_(gradient, weight), None
