"""A network of two layers in float64, whose statistics can be computed by hand."""

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from arcinvert.inversion.penalties.batch_statistics import BatchStatistics
from arcinvert.knowledge.activation_statistics import ActivationSite, LayerMoments, MeasuredStatistics


def small_network() -> nn.Sequential:
    """Return conv-BN-tanh-conv-BN in evaluation mode, with running statistics of its own."""
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
    """Return random images, float64."""
    return torch.rand(3, 3, 6, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some_faces() -> Tensor:
    """Return other images, on which statistics are measured."""
    return torch.rand(6, 3, 6, 6, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def layer_inputs(network: nn.Sequential, images: Tensor) -> list[NDArray]:
    """Return the inputs of both BatchNorm layers, each of shape (channels, batch * positions)."""
    with torch.no_grad():
        first = network[0](images)
        second = network[3](network[2](network[1](first)))
    return [inputs.movedim(1, 0).flatten(1).numpy() for inputs in (first, second)]


def maps_of(network: nn.Sequential, images: Tensor) -> MeasuredStatistics:
    """Return statistics of the convolutions' outputs at each position, over images and mirrored outputs."""
    layers = []
    for name in ("0", "3"):
        with torch.no_grad():
            outputs = network[: int(name) + 1](images)
        outputs = torch.cat([outputs, outputs.flip(-1)])
        moments = outputs.mean(0), outputs.var(0, correction=0)
        channels = outputs.mean((0, 2, 3)), outputs.var((0, 2, 3), correction=0)
        layers.append(
            LayerMoments(ActivationSite(name, "output", 1), *channels, outputs[:, 0].numel(), *moments)
        )
    return MeasuredStatistics(tuple(layers), "", "small", len(images))


def value_of(penalty: BatchStatistics, network: nn.Module, images: Tensor) -> Tensor:
    """Return a penalty of one pass of images."""
    with penalty.observing(network):
        network(images)
        return penalty(images)


def use_statistics_of(network: nn.Sequential, images: Tensor) -> None:
    """Make the running statistics of a small network those of images."""
    for position in (1, 4):
        # In this order: the second layer's inputs depend on the first layer's statistics.
        inputs = layer_inputs(network, images)[position // 4]
        network[position].running_mean.copy_(torch.tensor(inputs.mean(1)))
        network[position].running_var.copy_(torch.tensor(inputs.var(1)))
