"""BatchNorm priors against statistics gathered by hand on a network of two layers."""

import numpy as np
import pytest
import torch
from arcinvert.inversion.penalties.batchnorm import (
    PRIORS,
    BatchNormPrior,
    Moments,
    PerLocationPrior,
    statistics_layers,
)
from numpy.typing import NDArray
from torch import Tensor, nn

from arcinvert.knowledge.activation_statistics import ActivationSite, LayerMoments, MeasuredStatistics


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


def maps_of(network: nn.Sequential, images: Tensor) -> MeasuredStatistics:
    """What the convolutions' outputs are like at each place, over images and the outputs' mirror images."""
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


def naive_places(network: nn.Sequential, images: Tensor, statistics: MeasuredStatistics) -> float:
    """The penalty of places, value by value."""
    penalties = []
    for layer in statistics.layers:
        with torch.no_grad():
            outputs = network[: int(layer.place.name) + 1](images)
        both = torch.cat([outputs, outputs.flip(-1)]).numpy()
        assert layer.map_mean is not None
        assert layer.map_variance is not None
        means, ratios = [], []
        for channel, (of_faces, variance_of_faces) in enumerate(
            zip(layer.map_mean.numpy(), layer.map_variance.numpy(), strict=True)
        ):
            floor = 0.05 * variance_of_faces.mean()
            for row, column in np.ndindex(of_faces.shape):
                values = both[:, channel, row, column]
                faces = variance_of_faces[row, column] + floor
                mean = sum(values) / len(values)
                variance = sum((value - mean) ** 2 for value in values) / len(values)
                means.append((mean - of_faces[row, column]) ** 2 / faces)
                ratios.append((((variance + floor) / faces) ** 0.5 - 1) ** 2)
        penalties.append(sum(means) / len(means) + sum(ratios) / len(ratios))
    return sum(penalties) / len(penalties)


def naive_per_image(network: nn.Sequential, images: Tensor) -> float:
    """The scale-free penalty of each image alone, and their mean."""
    alone = [naive_penalty("scale-free", network, image[None]) for image in images]
    return sum(alone) / len(alone)


def naive_penalty(name: str, network: nn.Sequential, images: Tensor) -> float:
    if name == "per-image":
        return naive_per_image(network, images)
    if name == "per-location":
        places = naive_places(network, images, maps_of(network, some_faces()))
        return naive_penalty("scale-free", network, images) + 2 * places
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


def some_faces() -> Tensor:
    """Other images, on which places are measured."""
    return torch.rand(6, 3, 6, 6, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def make_prior(name: str, network: nn.Module, faces: Tensor | None = None) -> BatchNormPrior:
    if name != "per-location":
        return PRIORS[name]()
    assert isinstance(network, nn.Sequential)
    faces = some_faces() if faces is None else faces
    return PerLocationPrior(maps_of(network, faces.to(network[0].weight.dtype)))


def penalty(name: str, network: nn.Module, images: Tensor, faces: Tensor | None = None) -> Tensor:
    prior = make_prior(name, network, faces)
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
    if name == "per-image":
        # Each image has the statistics of all only if they are one.
        images = images[:1]
    for position in (1, 4):
        # In order: the second layer's inputs depend on the first layer's statistics.
        inputs = layer_inputs(network, images)[position // 4]
        network[position].running_mean.copy_(torch.tensor(inputs.mean(1)))
        network[position].running_var.copy_(torch.tensor(inputs.var(1)))
    assert float(penalty(name, network, images, images)) == pytest.approx(0, abs=1e-4)
    assert float(penalty(name, network, images * 0.5, images)) > 0.01
    if name == "per-location":
        # The channels have the same statistics, but elsewhere.
        assert float(penalty(name, network, images.roll(2, 2), images)) > 0.5


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


@pytest.mark.parametrize("name", ["per-image", "per-location"])
def test_layers_that_are_not_frozen_are_heard_alike(name: str) -> None:
    images = some_images().requires_grad_()
    frozen = penalty(name, small_network(), images)
    learning = penalty(name, small_network().requires_grad_(), images)
    torch.testing.assert_close(learning, frozen)
    slopes = [torch.autograd.grad(value, images)[0] for value in (learning, frozen)]
    torch.testing.assert_close(*slopes)


@pytest.mark.parametrize("axes", [(0, 2, 3), (2, 3), (0,)])
@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("shape", [(3, 4, 5, 2), (1, 4, 1, 1), (2, 1, 3, 3)])
def test_moments_over_any_axes_in_any_order_of_memory(
    axes: tuple[int, ...], order: torch.memory_format, shape: tuple[int, ...]
) -> None:
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(shape, generator=generator, dtype=torch.float64) + 2
    activations = activations.contiguous(memory_format=order).requires_grad_()
    mean, variance = Moments.apply(activations, axes)
    expected = activations.mean(axes), activations.var(axes, correction=0)
    torch.testing.assert_close((mean, variance), expected)
    assert torch.autograd.gradcheck(lambda given: Moments.apply(given, axes), (activations,))


def test_one_image_does_not_answer_for_another() -> None:
    network, images = small_network(), some_images()
    together, alone = (penalty(name, network, images) for name in ("scale-free", "per-image"))
    assert alone > together
    # An image's own penalty does not depend on the rest of its batch.
    (slope,) = torch.autograd.grad(
        penalty("per-image", network, given := images.clone().requires_grad_()), given
    )
    single = images[:1].clone().requires_grad_()
    (own,) = torch.autograd.grad(penalty("per-image", network, single), single)
    torch.testing.assert_close(slope[:1] * 3, own)


def test_places_that_never_change_stay_finite() -> None:
    network = small_network()
    still = some_images()[:1].expand(2, -1, -1, -1)
    still = (still + still.flip(-1)) / 2
    prior = PerLocationPrior(maps_of(network, still))
    images = still.clone().requires_grad_()
    with prior.listening(network):
        network(images)
        prior().backward()
    assert images.grad is not None
    assert bool(images.grad.isfinite().all())


def test_a_mirrored_batch_pays_the_same_for_its_places() -> None:
    network = small_network()
    # Kernels that are symmetric themselves, of which a mirrored picture has mirrored activations.
    with torch.no_grad():
        network[0].weight.add_(network[0].weight.flip(-1).clone())
    statistics = maps_of(network, some_faces())
    prior = PerLocationPrior(MeasuredStatistics(statistics.layers[:1], "", "small", 6))
    values = []
    with prior.listening(network):
        for images in (some_images(), some_images().flip(-1)):
            network(images)
            # The first layer's channels have the same statistics either way.
            values.append(torch.stack(prior._places).detach())
            prior()
    torch.testing.assert_close(*values)


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
