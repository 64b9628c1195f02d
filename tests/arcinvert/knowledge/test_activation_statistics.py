"""Where activations are observed, and the statistics of one of them."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from arcinvert.knowledge.activation_statistics import (
    ActivationSite,
    LayerMoments,
    measurable_sites,
    mirrored_moments,
    observe,
    statistics_layers,
)
from recognition.errors import InputError
from recognition.recogniser import Recogniser
from tests.arcinvert.inversion.networks import hooked_modules


def moments(name: str = "backbone.conv", side: str = "output", axis: int = 1) -> LayerMoments:
    channels = torch.zeros(4), torch.ones(4)
    maps = torch.zeros(4, 4, 4), torch.ones(4, 4, 4)
    return LayerMoments(ActivationSite(name, side, axis), *channels, 10, *maps)  # type: ignore[arg-type]


def test_sites_are_convolutions_and_layer_norms_and_where_few_linear_layers(recogniser: Recogniser) -> None:
    assert [(name, side) for name, side, _ in measurable_sites(recogniser)] == [
        ("backbone.conv", "output"),
        ("backbone.norm", "input"),
        ("backbone.head", "output"),
    ]
    deep = nn.Sequential(*[nn.Conv2d(1, 1, 1) for _ in range(8)], nn.Linear(2, 2))
    assert [name for name, _, _ in measurable_sites(deep)] == [str(number) for number in range(8)]
    assert [name for name, _, _ in measurable_sites(deep, "8")] == ["8"]


def test_sites_are_chosen_by_name(recogniser: Recogniser) -> None:
    assert [name for name, _, _ in measurable_sites(recogniser, "head")] == ["backbone.head"]
    with pytest.raises(InputError, match="found none that match 'nothing'; names are such as backbone"):
        measurable_sites(recogniser, "nothing")
    with pytest.raises(InputError, match="expected a regular expression"):
        measurable_sites(recogniser, "(")


def test_statistics_layers_are_batch_norms_with_running_statistics() -> None:
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


def test_moments_of_maps_and_their_mirror_images_together() -> None:
    maps = torch.rand(5, 2, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    both = torch.cat([maps, maps.flip(-1)])
    mean, variance = mirrored_moments(maps.mean(0), maps.var(0, correction=0))
    torch.testing.assert_close(mean, both.mean(0))
    torch.testing.assert_close(variance, both.var(0, correction=0))


def test_a_callback_receives_inputs_or_outputs_with_their_statistics(
    recogniser: Recogniser, images: Tensor
) -> None:
    layers = [moments(), moments("backbone.norm", "input", -1), moments("backbone.norm", "output", -1)]
    received: list[tuple[Tensor, LayerMoments]] = []
    handles = observe(recogniser, layers, lambda activations, layer: received.append((activations, layer)))
    recogniser(images)
    maps = recogniser.backbone.conv(images)
    tokens = maps.flatten(2).transpose(1, 2)
    torch.testing.assert_close(received[0][0], maps)
    torch.testing.assert_close(received[1][0], tokens)
    torch.testing.assert_close(received[2][0], recogniser.backbone.norm(tokens))
    assert [layer.site for _, layer in received[:3]] == [layer.site for layer in layers]
    for handle in handles:
        handle.remove()
    assert hooked_modules(recogniser) == []


def test_statistics_move_to_the_device_of_the_activations() -> None:
    layer = moments().to(torch.device("meta"))
    parts = (layer.mean, layer.variance, layer.map_mean, layer.map_variance)
    assert {part.device.type for part in parts if part is not None} == {"meta"}
    assert replace(moments(), map_mean=None, map_variance=None).to(torch.device("meta")).map_mean is None


@pytest.mark.parametrize(
    "damage",
    [
        {"mean": torch.full((4,), float("nan"))},
        {"variance": torch.full((4,), -1.0)},
        {"variance": torch.ones(3)},
        {"mean": torch.zeros(4, 1), "variance": torch.ones(4, 1)},
        {"map_mean": torch.zeros(4, 4, 3)},
        {"map_mean": torch.zeros(3, 4, 4), "map_variance": torch.ones(3, 4, 4)},
        {"map_variance": torch.full((4, 4, 4), float("inf"))},
    ],
    ids=lambda damage: "-".join(f"{name}-{tuple(value.shape)}" for name, value in damage.items()),
)
def test_statistics_that_do_not_fit_are_refused(damage: dict[str, Tensor]) -> None:
    moments().validate()
    replace(moments(), map_mean=None, map_variance=None).validate()
    with pytest.raises(ValueError, match=r"^statistics of backbone\.conv$"):
        replace(moments(), **damage).validate()
