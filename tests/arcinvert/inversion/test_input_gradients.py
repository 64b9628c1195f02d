"""Frozen layers: PyTorch's values and gradients, for their input alone, while the context lasts."""

import pytest
import torch
from torch import Tensor, nn

from arcinvert.inversion.input_gradients import input_gradients


def network(slopes: int = 4, *, affine: bool = True) -> nn.Sequential:
    generator = torch.Generator().manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4, affine=affine),
        nn.PReLU(slopes),
        nn.Flatten(),
        nn.Linear(64, 5),
        nn.PReLU(),
    ).double()
    with torch.no_grad():
        for tensor in [*layers.parameters(), layers[1].running_mean]:
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.6)
        layers[1].running_var.copy_(torch.rand(4, generator=generator) + 0.1)
    return layers.eval().requires_grad_(False)


def images() -> Tensor:
    drawn = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return drawn.requires_grad_()


def gradient(layers: nn.Module, of: Tensor) -> Tensor:
    return torch.autograd.grad(layers(of).square().sum(), of)[0]


@pytest.mark.parametrize(("slopes", "affine"), [(4, True), (1, False)])
def test_values_and_gradients_are_those_of_pytorch(slopes: int, affine: bool) -> None:
    layers, given = network(slopes, affine=affine), images()
    value, slope = layers(given), gradient(layers, given)
    with input_gradients(layers):
        assert torch.equal(layers(given), value)
        torch.testing.assert_close(gradient(layers, given), slope, rtol=1e-12, atol=1e-12)
        assert torch.autograd.gradcheck(layers, (given,))
        with torch.no_grad():
            assert torch.equal(layers(given), value)


@pytest.mark.parametrize("slopes", [4, 1])
def test_half_precision_within_its_digits(slopes: int) -> None:
    layers = network(slopes).float()
    given = images().float().detach().requires_grad_()
    exact = gradient(layers, given)
    with input_gradients(layers), torch.autocast("cpu", torch.bfloat16):
        rough = gradient(layers, given)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, exact, rtol=0, atol=0.05 * float(exact.abs().max()))


def test_only_frozen_layers_change_and_only_in_the_context() -> None:
    layers = network()

    def changed() -> list[bool]:
        return ["forward" in vars(layer) for layer in layers]

    with input_gradients(layers):
        assert changed() == [False, True, True, False, False, True]
    assert not any(changed())
    with pytest.raises(KeyError, match="stop"), input_gradients(layers):
        raise KeyError("stop")
    assert not any(changed())
    layers.requires_grad_(True)
    with input_gradients(layers):
        assert not any(changed())
        layers(images()).sum().backward()
    assert layers[2].weight.grad is not None
    layers.requires_grad_(False).train()
    with input_gradients(layers):
        assert changed() == [False, False, True, False, False, True]


def test_contexts_may_be_nested() -> None:
    layers = network()
    with input_gradients(layers):
        outer = layers[1].forward
        with input_gradients(layers):
            assert layers[1].forward is not outer
        assert layers[1].forward is outer
