"""Measured statistics against naive ones, and the penalties that use them."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcinvert.inversion.parametrisations.pixels import Pixels
from arcinvert.inversion.penalties import PENALTIES
from arcinvert.inversion.penalties.base import Setting
from arcinvert.knowledge import measure as module
from arcinvert.knowledge.face_pca import pca_coefficients_of
from arcinvert.knowledge.measure import axes_besides, measure
from arcinvert.knowledge.nearest_neighbours import COEFFICIENTS
from arcinvert.knowledge.regression import RegressionSums
from recognition.errors import InputError
from recognition.recogniser import Preprocessing, Recogniser
from tests.arcinvert.inversion.networks import hooked_modules
from tests.arcinvert.knowledge.networks import some_images

STATISTICS = [name for name in PENALTIES if PENALTIES[name].of_activations]


def naive(recogniser: Recogniser, images: Tensor) -> dict[str, Tensor]:
    """Return the values of each channel, (channels, values), over images and mirror images."""
    both = torch.cat([images, images.flip(-1)])
    with torch.no_grad():
        maps = recogniser.backbone.conv(both)
        tokens = recogniser.backbone.norm(maps.flatten(2).transpose(1, 2)).mean(1)
        return {
            "backbone.conv": maps.movedim(1, 0).flatten(1),
            "backbone.norm": maps.movedim(1, 0).flatten(1),
            "backbone.head": recogniser.backbone.head(tokens).T,
        }


def test_statistics_are_those_of_all_values(recogniser: Recogniser, images: Tensor) -> None:
    statistics = measure(recogniser, images.split([3, 3, 1]))
    expected = naive(recogniser, images)
    assert {layer.site.name for layer in statistics.layers} == set(expected)
    assert (statistics.images, statistics.model_name, statistics.model_sha256) == (7, "tokens", "ab" * 32)
    for layer in statistics.layers:
        values = expected[layer.site.name].double()
        assert layer.count == values.shape[1]
        torch.testing.assert_close(layer.mean.double(), values.mean(1), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(layer.variance.double(), values.var(1, correction=0), atol=1e-6, rtol=1e-4)
    assert hooked_modules(recogniser) == []


def test_no_image_is_refused(recogniser: Recogniser) -> None:
    with pytest.raises(InputError, match=r"^statistics: expected at least one image to measure, got none$"):
        measure(recogniser, [])
    assert hooked_modules(recogniser) == []


def test_maps_are_those_of_each_position_and_symmetric(recogniser: Recogniser, images: Tensor) -> None:
    (layer,) = measure(recogniser, images.split([3, 3, 1])).maps
    assert layer.site.name == "backbone.conv"
    with torch.no_grad():
        maps = recogniser.backbone.conv(torch.cat([images, images.flip(-1)])).double()
    maps = torch.cat([maps, maps.flip(-1)])
    assert layer.map_mean is not None
    assert layer.map_variance is not None
    assert layer.map_mean.shape == (4, 4, 4)
    for channel, row, column in itertools.product(range(4), range(4), range(4)):
        values = maps[:, channel, row, column].tolist()
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / len(values)
        assert float(layer.map_mean[channel, row, column]) == pytest.approx(mean, abs=1e-6)
        assert float(layer.map_variance[channel, row, column]) == pytest.approx(variance, rel=1e-4)
    torch.testing.assert_close(layer.map_mean, layer.map_mean.flip(-1))


@pytest.mark.parametrize(("size", "measured"), [(3, False), (4, True), (16, True), (17, False)])
def test_maps_of_several_positions_and_not_of_too_many(size: int, measured: bool) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * (size - 2) ** 2, 5))
    recogniser = Recogniser(network, name="n", preprocessing=Preprocessing(0.0, 1.0, input_size=size))
    statistics = measure(recogniser.freeze(), [torch.rand(2, 3, size, size)])
    assert len(statistics.layers) == 2
    assert [layer.site.name for layer in statistics.maps] == ["backbone.0"] * measured


def test_neighbours_are_all_faces(
    recogniser: Recogniser, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Activations are measured on the first four, the neighbours are all seven.
    monkeypatch.setattr(module, "ACTIVATION_FACES", 4)
    statistics = measure(recogniser, images.split([2, 2, 3]))
    neighbours = statistics.nearest_neighbours
    assert neighbours is not None
    assert (statistics.images, len(neighbours)) == (4, 7)
    with torch.no_grad():
        both = recogniser(images) + recogniser(images.flip(-1))
    torch.testing.assert_close(
        neighbours.templates.float(), both / both.norm(dim=1, keepdim=True), atol=1e-3, rtol=0
    )
    torch.testing.assert_close(
        neighbours.pca_coefficients.float(), pca_coefficients_of(images, COEFFICIENTS), atol=1e-2, rtol=1e-3
    )
    assert measure(recogniser, [images], keep_faces=False).nearest_neighbours is None


def test_the_regression_is_of_all_faces(recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ACTIVATION_FACES", 4)
    many = some_images(20, seed=1)
    statistics = measure(recogniser, many.split(5), keep_faces=False)
    sums = RegressionSums()
    with torch.no_grad():
        sums.add(F.normalize(recogniser(many) + recogniser(many.flip(-1))), many)
    expected = sums.fit()
    assert expected is not None
    assert statistics.regression is not None
    assert (statistics.images, statistics.regression.count) == (5, 20)
    torch.testing.assert_close(statistics.regression.matrix, expected.matrix, atol=1e-2, rtol=1e-2)
    # One face fewer is too few for a template of five dimensions.
    assert measure(recogniser, [many[:19]]).regression is None


def test_axes_besides_the_channels() -> None:
    assert axes_besides(torch.zeros(2, 3, 4, 5), 1) == (0, 2, 3)
    assert axes_besides(torch.zeros(2, 3, 4), -1) == (0, 1)


@pytest.mark.parametrize("name", STATISTICS)
def test_a_penalty_is_least_where_the_statistics_are_met(
    name: str, recogniser: Recogniser, images: Tensor
) -> None:
    both = torch.cat([images, images.flip(-1)])
    if name == "bn-per-image":
        # One image has the statistics of all if there is no other.
        images = (both[:1] + both[7:8]) / 2
        both = images.clone()
    statistics = measure(recogniser, [images], pattern="conv|norm")
    penalty = PENALTIES[name].build(Setting(recogniser, Pixels, statistics))
    with penalty.attached(recogniser, Pixels(both)):
        recogniser(both.requires_grad_())
        met = penalty(both)
        recogniser((0.3 * both).detach().requires_grad_())
        missed = penalty(both)
    assert met.item() < 1e-2 < missed.item()
    assert hooked_modules(recogniser) == []
