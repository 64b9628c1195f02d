"""BatchNorm priors against statistics gathered by hand on a network of two layers."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from arcinvert.priors.batchnorm import PRIORS, statistics_layers


def small_network() -> nn.Sequential:
    """Conv-BN-tanh-conv-BN in float64, evaluation mode, with running statistics of its own."""
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.Tanh(),
        nn.Conv2d(4, 5, 3, stride=2, bias=False),
        nn.BatchNorm2d(5),
    ).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.5)
        for layer in (network[1], network[4]):
            layer.running_mean.copy_(torch.randn(layer.num_features, generator=generator) * 0.3)
            layer.running_var.copy_(torch.rand(layer.num_features, generator=generator) + 0.5)
    return network.eval().requires_grad_(False)


def some_images(seed: int = 1) -> Tensor:
    return torch.rand(3, 3, 6, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def layer_inputs(network: nn.Sequential, images: Tensor) -> list[NDArray[np.float64]]:
    """The inputs of both BatchNorm layers, each (channels, batch * places)."""
    with torch.no_grad():
        first = network[0](images)
        second = network[3](network[2](network[1](first)))
    return [inputs.movedim(1, 0).flatten(1).numpy() for inputs in (first, second)]


def naive_penalty(name: str, network: nn.Sequential, images: Tensor) -> float:
    layers = zip(layer_inputs(network, images), (network[1], network[4]), strict=True)
    penalties = []
    for index, (inputs, layer) in enumerate(layers):
        running = zip(layer.running_mean.tolist(), layer.running_var.tolist(), strict=True)
        means, deviations, variances, relative = [], [], [], []
        for channel, (running_mean, running_variance) in zip(inputs, running, strict=True):
            mean = sum(channel) / len(channel)
            variance = sum((value - mean) ** 2 for value in channel) / len(channel)
            means.append((mean - running_mean) ** 2)
            variances.append((variance - running_variance) ** 2)
            deviations.append((variance**0.5 - running_variance**0.5) ** 2)
            relative.append(
                (mean - running_mean) ** 2 / running_variance
                + ((variance / running_variance) ** 0.5 - 1) ** 2
            )
        penalties.append(
            {
                "paper": sum(means) + sum(deviations),
                "deepinversion": (sum(means) ** 0.5 + sum(variances) ** 0.5) * (10 if index == 0 else 1),
                "scale-free": sum(relative) / len(relative),
            }[name]
        )
    return sum(penalties) / 2 if name == "scale-free" else sum(penalties)


def penalty(name: str, network: nn.Module, images: Tensor) -> Tensor:
    prior = PRIORS[name]()
    with prior.listening(network):
        network(images)
        return prior()


@pytest.mark.parametrize("name", PRIORS)
def test_value_against_statistics_by_hand(name: str) -> None:
    network, images = small_network(), some_images()
    value = penalty(name, network, images)
    assert value.shape == ()
    assert float(value) == pytest.approx(naive_penalty(name, network, images), rel=1e-5)


@pytest.mark.parametrize("name", PRIORS)
def test_gradient_to_the_images(name: str) -> None:
    network = small_network()
    images = some_images().requires_grad_()
    assert torch.autograd.gradcheck(lambda given: penalty(name, network, given), (images,))


@pytest.mark.parametrize("name", PRIORS)
def test_nothing_to_pay_for_the_training_statistics(name: str) -> None:
    network, images = small_network(), some_images()
    for position in (1, 4):
        # In order: the second layer's inputs depend on the first layer's statistics.
        inputs = layer_inputs(network, images)[position // 4]
        network[position].running_mean.copy_(torch.tensor(inputs.mean(1)))
        network[position].running_var.copy_(torch.tensor(inputs.var(1)))
    assert float(penalty(name, network, images)) == pytest.approx(0, abs=1e-4)
    assert float(penalty(name, network, images * 0.5)) > 0.01


def test_scale_free_does_not_depend_on_units() -> None:
    network, images = small_network(), some_images()
    value = float(penalty("scale-free", network, images))
    # The same last layer in other units: its inputs, their mean and deviation all ten times.
    network[3].weight.mul_(10)
    network[4].running_mean.mul_(10)
    network[4].running_var.mul_(100)
    assert float(penalty("scale-free", network, images)) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("name", PRIORS)
def test_half_precision_within_its_digits(name: str) -> None:
    network, images = small_network().float(), some_images().float().requires_grad_()
    exact = penalty(name, network, images)
    (slope,) = torch.autograd.grad(exact, images)
    with torch.autocast("cpu", torch.bfloat16):
        rough = penalty(name, network, images)
    (rough_slope,) = torch.autograd.grad(rough, images)
    assert (rough.dtype, rough_slope.dtype) == (torch.float32, torch.float32)
    assert rough.item() == pytest.approx(exact.item(), rel=0.03)
    assert float(torch.nn.functional.cosine_similarity(rough_slope.flatten(), slope.flatten(), dim=0)) > 0.99


@pytest.mark.parametrize("frozen", [True, False])
def test_the_network_computes_the_same_while_it_is_heard(frozen: bool) -> None:
    network, images = small_network().requires_grad_(not frozen), some_images().requires_grad_()
    expected = network(images)
    (slope,) = torch.autograd.grad(expected.square().sum(), images)
    prior = PRIORS["paper"]()
    with prior.listening(network):
        heard = network(images)
    assert torch.equal(heard, expected)
    torch.testing.assert_close(torch.autograd.grad(heard.square().sum(), images)[0], slope)


def test_hooks_are_gone_after_listening() -> None:
    network = small_network()
    prior = PRIORS["paper"]()

    def hooks() -> int:
        return sum("forward" in vars(module) for module in network.modules())

    with prior.listening(network):
        assert hooks() == 2
    assert hooks() == 0
    with pytest.raises(KeyError, match="stop"), prior.listening(network):
        raise KeyError("stop")
    assert hooks() == 0


def test_nothing_is_heard_without_gradients() -> None:
    network = small_network()
    prior = PRIORS["paper"]()
    alone = float(penalty("paper", network, some_images(1)))
    with prior.listening(network):
        network(some_images(1))
        with torch.no_grad():
            network(some_images(2))
        assert float(prior()) == alone


def test_each_pass_is_heard_once() -> None:
    network = small_network()
    prior = PRIORS["scale-free"]()
    with prior.listening(network):
        heard = []
        for seed in (1, 2):
            network(some_images(seed))
            heard.append(float(prior()))
    assert heard == [float(penalty("scale-free", network, some_images(seed))) for seed in (1, 2)]
    assert heard[0] != heard[1]


def test_running_statistics_stay() -> None:
    network = small_network()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    penalty("paper", network, some_images().requires_grad_()).backward()
    after = dict(network.named_buffers())
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_statistics_layers() -> None:
    with_statistics, nested = nn.BatchNorm2d(2), nn.BatchNorm2d(3)
    network = nn.Sequential(
        with_statistics,
        nn.BatchNorm2d(2, track_running_stats=False),
        nn.BatchNorm1d(2),
        nn.GroupNorm(1, 2),
        nn.Sequential(nn.ReLU(), nested),
    )
    assert statistics_layers(network) == [with_statistics, nested]
    assert statistics_layers(nn.Linear(2, 2)) == []


@pytest.mark.parametrize("name", PRIORS)
def test_conformance(name: str) -> None:
    network = small_network()
    images = some_images().requires_grad_()
    value = penalty(name, network, images)
    value.backward()
    assert value.shape == ()
    assert torch.isfinite(value)
    assert value > 0
    assert images.grad is not None
    assert torch.isfinite(images.grad).all()
    assert images.grad.abs().sum() > 0
    assert torch.equal(penalty(name, network, images), value)
