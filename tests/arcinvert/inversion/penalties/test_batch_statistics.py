"""Penalties on statistics of activations: values by hand, what is observed, and for how long."""

import contextlib
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcinvert.inversion.penalties import PENALTIES
from arcinvert.inversion.penalties.batch_statistics import BatchStatistics
from arcinvert.inversion.penalties.bn_published import ArcFaceStatistics
from arcinvert.inversion.penalties.bn_relative import RelativeStatistics
from arcinvert.knowledge.measure import measure
from recognition.recogniser import Preprocessing, Recogniser
from tests.arcinvert.inversion.networks import hooked_modules
from tests.arcinvert.inversion.penalties.networks import (
    layer_inputs,
    maps_of,
    small_network,
    some_faces,
    some_images,
    use_statistics_of,
    value_of,
)

#: Penalties that observe statistics.
STATISTICS = [name for name in PENALTIES if PENALTIES[name].of_activations]


def make(name: str, network: nn.Sequential, faces: Tensor | None = None) -> BatchStatistics:
    """Return a penalty, with statistics of faces at each position."""
    faces = some_faces() if faces is None else faces
    kind: Callable[..., BatchStatistics] = PENALTIES[name]  # type: ignore[assignment]
    return kind(maps_of(network, faces.to(network[0].weight.dtype)))


def penalty(name: str, network: nn.Sequential, images: Tensor, faces: Tensor | None = None) -> Tensor:
    return value_of(make(name, network, faces), network, images)


def channel_terms(network: nn.Sequential, images: Tensor) -> list[list[tuple[float, float, float]]]:
    """Return differences of each channel of each layer, value by value.

    They are the squared difference of the means, of the variances and of the standard deviations.
    """
    terms = []
    for inputs, layer in zip(layer_inputs(network, images), (network[1], network[4]), strict=True):
        rows = []
        of_faces = zip(layer.running_mean.tolist(), layer.running_var.tolist(), strict=True)
        for channel, (face_mean, face_variance) in zip(inputs, of_faces, strict=True):
            mean = sum(channel) / len(channel)
            variance = sum((value - mean) ** 2 for value in channel) / len(channel)
            rows.append(
                (
                    (mean - face_mean) ** 2,
                    (variance - face_variance) ** 2,
                    (variance**0.5 - face_variance**0.5) ** 2,
                )
            )
        terms.append(rows)
    return terms


def naive_arcface(network: nn.Sequential, images: Tensor) -> float:
    return sum(mean + deviation for rows in channel_terms(network, images) for mean, _, deviation in rows)


def naive_deepinversion(network: nn.Sequential, images: Tensor) -> float:
    norms = [
        sum(mean for mean, _, _ in rows) ** 0.5 + sum(variance for _, variance, _ in rows) ** 0.5
        for rows in channel_terms(network, images)
    ]
    return 10 * norms[0] + norms[1]


def naive_relative(network: nn.Sequential, images: Tensor) -> float:
    of_layers = []
    for rows, layer in zip(channel_terms(network, images), (network[1], network[4]), strict=True):
        relative = [
            (mean + deviation) / variance
            for (mean, _, deviation), variance in zip(rows, layer.running_var.tolist(), strict=True)
        ]
        of_layers.append(sum(relative) / len(relative))
    return sum(of_layers) / 2


def naive_per_image(network: nn.Sequential, images: Tensor) -> float:
    return sum(naive_relative(network, image[None]) for image in images) / len(images)


@pytest.mark.parametrize(
    ("name", "naive"),
    [
        ("bn-arcface", naive_arcface),
        ("bn-deepinversion", naive_deepinversion),
        ("bn", naive_relative),
        ("bn-per-image", naive_per_image),
    ],
)
def test_values_by_hand(name: str, naive: Callable[[nn.Sequential, Tensor], float]) -> None:
    network, images = small_network(), some_images()
    value = penalty(name, network, images)
    assert value.shape == ()
    assert float(value) == pytest.approx(naive(network, images), rel=1e-5)


@pytest.mark.parametrize("name", STATISTICS)
def test_the_statistics_of_faces_cost_nothing(name: str) -> None:
    network, images = small_network(), some_images()
    if name == "bn-per-image":
        # Each image has the statistics of all only if there is one.
        images = images[:1]
    use_statistics_of(network, images)
    assert float(penalty(name, network, images, images)) == pytest.approx(0, abs=1e-4)
    assert float(penalty(name, network, images * 0.5, images)) > 0.01


@pytest.mark.parametrize("name", STATISTICS)
def test_half_precision_within_its_digits(name: str) -> None:
    network, images = small_network().float(), some_images().float().requires_grad_()
    exact = penalty(name, network, images)
    (slope,) = torch.autograd.grad(exact, images)
    with torch.autocast("cpu", torch.bfloat16):
        rough = penalty(name, network, images)
    (rough_slope,) = torch.autograd.grad(rough, images)
    assert (rough.dtype, rough_slope.dtype) == (torch.float32, torch.float32)
    assert rough.item() == pytest.approx(exact.item(), rel=0.03)
    assert float(F.cosine_similarity(rough_slope.flatten(), slope.flatten(), dim=0)) > 0.99


@pytest.mark.parametrize("name", STATISTICS)
def test_layers_that_are_not_frozen_are_observed_alike(name: str) -> None:
    images = some_images().requires_grad_()
    frozen = penalty(name, small_network(), images)
    learning = penalty(name, small_network().requires_grad_(), images)
    torch.testing.assert_close(learning, frozen)
    slopes = [torch.autograd.grad(value, images)[0] for value in (learning, frozen)]
    torch.testing.assert_close(*slopes)


@pytest.mark.parametrize("frozen", [True, False])
def test_the_network_computes_the_same_while_it_is_observed(frozen: bool) -> None:
    network, images = small_network().requires_grad_(not frozen), some_images().requires_grad_()
    expected = network(images)
    (slope,) = torch.autograd.grad(expected.square().sum(), images)
    with ArcFaceStatistics().observing(network):
        observed = network(images)
    assert torch.equal(observed, expected)
    torch.testing.assert_close(torch.autograd.grad(observed.square().sum(), images)[0], slope)


def test_nothing_stays_attached() -> None:
    network = small_network()
    prior = ArcFaceStatistics()
    with prior.observing(network):
        assert hooked_modules(network) == ["1", "4"]
    assert hooked_modules(network) == []
    with pytest.raises(KeyError, match="stop"), prior.observing(network):
        raise KeyError("stop")
    assert hooked_modules(network) == []


def test_passes_without_gradients_are_not_observed() -> None:
    network = small_network()
    prior = ArcFaceStatistics()
    alone = float(value_of(ArcFaceStatistics(), network, some_images(1)))
    with prior.observing(network):
        network(some_images(1))
        with torch.no_grad():
            network(some_images(2))
        assert float(prior(some_images(1))) == alone


def test_each_pass_is_counted_once() -> None:
    network = small_network()
    prior = RelativeStatistics()
    values = []
    with prior.observing(network):
        for seed in (1, 2):
            network(some_images(seed))
            values.append(float(prior(some_images(seed))))
    expected = [float(value_of(RelativeStatistics(), network, some_images(seed))) for seed in (1, 2)]
    assert values == expected
    assert values[0] != values[1]


def test_running_statistics_stay() -> None:
    network = small_network()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    penalty("bn-arcface", network, some_images().requires_grad_()).backward()
    after = dict(network.named_buffers())
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def batch_norm_recogniser() -> Recogniser:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 49, 5))
        network[1].running_mean.normal_()
        network[1].running_var.uniform_(0.5, 2)
    return Recogniser(network, name="n", preprocessing=Preprocessing(0.0, 1.0, input_size=9)).freeze()


def test_the_networks_own_statistics_come_first() -> None:
    recogniser = batch_norm_recogniser()
    images = torch.rand(3, 3, 9, 9, requires_grad=True)
    measured = measure(recogniser, [torch.rand(2, 3, 9, 9)])
    values = [value_of(ArcFaceStatistics(statistics), recogniser, images) for statistics in (None, measured)]
    assert torch.equal(*values)


def test_measured_statistics_give_the_value_of_the_same_numbers_in_a_batch_norm() -> None:
    recogniser = batch_norm_recogniser()
    network = recogniser.backbone
    statistics = measure(recogniser, [torch.rand(2, 3, 9, 9)], pattern=r"backbone\.0")
    (layer,) = statistics.layers
    layer = replace(layer, mean=network[1].running_mean.clone(), variance=network[1].running_var.clone())
    # The same network but for its BatchNorm, which comes after what is measured.
    without = Recogniser(
        nn.Sequential(network[0], *network[2:]), name="n", preprocessing=recogniser.preprocessing
    )
    images = torch.rand(3, 3, 9, 9, requires_grad=True)
    own = value_of(RelativeStatistics(), recogniser, images)
    measured = value_of(RelativeStatistics(replace(statistics, layers=(layer,))), without, images)
    torch.testing.assert_close(own, measured)


@pytest.mark.parametrize("frozen", [True, False])
def test_several_penalties_observe_one_layer(frozen: bool) -> None:
    network = small_network().requires_grad_(not frozen)
    names = ["bn", "bn-per-image", "bn-arcface"]
    images = some_images().requires_grad_()
    alone, gradient = [], torch.zeros_like(images)
    for name in names:
        alone.append(penalty(name, network, images).mean())
        gradient += torch.autograd.grad(alone[-1], images)[0]
    together = [make(name, network) for name in names]
    with contextlib.ExitStack() as stack:
        for one in together:
            stack.enter_context(one.observing(network))
        output = network(images)
        values = [one(images).mean() for one in together]
    assert torch.equal(output, network(images))
    torch.testing.assert_close(torch.stack(values), torch.stack(alone))
    torch.testing.assert_close(torch.autograd.grad(sum(values), images)[0], gradient)
    assert hooked_modules(network) == []
