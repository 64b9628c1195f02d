"""Measured statistics against naive ones, their file, and the prior that listens by them."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from arcinvert.inversion.penalties.batchnorm import PRIORS, BatchNormPrior
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from arcinvert.knowledge.activation_statistics import (
    SUFFIX,
    load_statistics,
    measurable_sites,
    measure,
    save_statistics,
    statistics_for,
)
from arcinvert.knowledge.face_pca import pca_coefficients_of
from arcinvert.knowledge.nearest_neighbours import COEFFICIENTS
from arcinvert.knowledge.regression import RegressionSums
from recognition.errors import InputError
from recognition.recogniser import Preprocessing, Recogniser, Source


class Tokens(nn.Module):
    """A convolution, tokens, a LayerNorm and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2)
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 5)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.conv(images).flatten(2).transpose(1, 2)
        return self.head(self.norm(tokens).mean(1))


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Tokens()
    preprocessing = Preprocessing(mean=0.0, std=1.0, input_size=9)
    return Recogniser(
        network, name="tokens", preprocessing=preprocessing, source=Source(sha256="ab" * 32)
    ).freeze()


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(7, 3, 9, 9, generator=torch.Generator().manual_seed(0))


def naive(recogniser: Recogniser, images: Tensor) -> dict[str, Tensor]:
    """Values of each channel, (channels, values), over images and mirror images."""
    both = torch.cat([images, images.flip(-1)])
    with torch.no_grad():
        maps = recogniser.backbone.conv(both)
        tokens = recogniser.backbone.norm(maps.flatten(2).transpose(1, 2)).mean(1)
        return {
            "backbone.conv": maps.movedim(1, 0).flatten(1),
            "backbone.norm": maps.movedim(1, 0).flatten(1),
            "backbone.head": recogniser.backbone.head(tokens).T,
        }


def test_measured_statistics_are_those_of_all_values(recogniser: Recogniser, images: Tensor) -> None:
    statistics = measure(recogniser, images.split([3, 3, 1]))
    expected = naive(recogniser, images)
    assert {layer.place.name for layer in statistics.layers} == set(expected)
    assert statistics.images == 7
    for layer in statistics.layers:
        values = expected[layer.place.name].double()
        assert layer.count == values.shape[1]
        torch.testing.assert_close(layer.mean.double(), values.mean(1), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(layer.variance.double(), values.var(1, correction=0), atol=1e-6, rtol=1e-4)


def test_statistics_come_back_from_their_file(recogniser: Recogniser, images: Tensor, tmp_path: Path) -> None:
    statistics = measure(recogniser, [images])
    save_statistics(tmp_path / "s.safetensors", statistics)
    again = load_statistics(tmp_path / "s.safetensors")
    assert [layer.place for layer in again.layers] == [layer.place for layer in statistics.layers]
    for one, other in zip(again.layers, statistics.layers, strict=True):
        assert torch.equal(one.mean, other.mean)
        assert torch.equal(one.variance, other.variance)
        assert one.count == other.count
    assert (again.model_sha256, again.model_name, again.images) == ("ab" * 32, "tokens", 7)


def test_readers_pass_over_further_tensors(recogniser: Recogniser, images: Tensor, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    save_statistics(path, measure(recogniser, [images]))
    with safe_open(path, framework="pt") as file:
        tensors, metadata = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    save_file(tensors | {"further/mean": torch.zeros(4)}, path, metadata)
    assert len(load_statistics(path).layers) == 3


def test_lookalikes_are_all_faces_and_come_back(
    recogniser: Recogniser, images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Activations are heard on the first four, look-alikes are all seven.
    monkeypatch.setattr("arcinvert.knowledge.activation_statistics.ACTIVATION_FACES", 4)
    statistics = measure(recogniser, images.split([2, 2, 3]))
    assert statistics.nearest_neighbours is not None
    assert (statistics.images, len(statistics.nearest_neighbours)) == (4, 7)
    with torch.no_grad():
        both = recogniser(images) + recogniser(images.flip(-1))
    torch.testing.assert_close(
        statistics.nearest_neighbours.templates.float(),
        both / both.norm(dim=1, keepdim=True),
        atol=1e-3,
        rtol=0,
    )
    torch.testing.assert_close(
        statistics.nearest_neighbours.coordinates.float(),
        pca_coefficients_of(images, COEFFICIENTS),
        atol=1e-2,
        rtol=1e-3,
    )
    save_statistics(tmp_path / "s.safetensors", statistics)
    again = load_statistics(tmp_path / "s.safetensors").nearest_neighbours
    assert again is not None
    assert torch.equal(again.templates, statistics.nearest_neighbours.templates)
    assert torch.equal(again.coordinates, statistics.nearest_neighbours.coordinates)


def test_a_file_without_faces_has_statistics_alone(
    recogniser: Recogniser, images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arcinvert.knowledge.activation_statistics.ACTIVATION_FACES", 4)
    statistics = measure(recogniser, images.split([2, 2, 3]), keep_faces=False)
    assert (statistics.images, statistics.nearest_neighbours) == (4, None)
    save_statistics(tmp_path / "s.safetensors", statistics)
    with safe_open(tmp_path / "s.safetensors", framework="pt") as file:
        assert not any("nearest_neighbours" in key for key in file.keys())  # noqa: SIM118
    assert load_statistics(tmp_path / "s.safetensors").nearest_neighbours is None


def test_the_regression_is_of_all_faces_and_comes_back(
    recogniser: Recogniser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arcinvert.knowledge.activation_statistics.ACTIVATION_FACES", 4)
    many = torch.rand(20, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    path = tmp_path / "s.safetensors"
    statistics = measure(recogniser, many.split(5), keep_faces=False)
    assert statistics.regression is not None
    sums = RegressionSums()
    with torch.no_grad():
        sums.add(F.normalize(recogniser(many) + recogniser(many.flip(-1))), many)
    expected = sums.fit()
    assert expected is not None
    assert (statistics.images, statistics.regression.count) == (5, 20)
    torch.testing.assert_close(statistics.regression.matrix, expected.matrix, atol=1e-2, rtol=1e-2)
    save_statistics(path, statistics)
    again = load_statistics(path).regression
    assert again is not None
    assert again.count == 20
    for name in ("template", "coordinates", "matrix"):
        assert torch.equal(getattr(again, name), getattr(statistics.regression, name))
    # A dimension has too few of fewer faces.
    assert measure(recogniser, [many[:19]]).regression is None
    damaged = replace(statistics.regression, matrix=torch.full_like(expected.matrix, float("inf")))
    save_statistics(path, replace(statistics, regression=damaged))
    with pytest.raises(InputError, match=r"damaged regression; calibrate again"):
        load_statistics(path)


def test_damaged_lookalikes_are_refused(recogniser: Recogniser, images: Tensor, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    statistics = measure(recogniser, [images])
    assert statistics.nearest_neighbours is not None
    damaged = replace(statistics.nearest_neighbours, templates=torch.full((7, 5), float("nan")))
    save_statistics(path, replace(statistics, nearest_neighbours=damaged))
    with pytest.raises(InputError, match=r"damaged look-alikes; calibrate again"):
        load_statistics(path)


def test_maps_are_those_of_each_place_symmetric(recogniser: Recogniser, images: Tensor) -> None:
    statistics = measure(recogniser, images.split([3, 3, 1]))
    (layer,) = statistics.maps
    assert layer.place.name == "backbone.conv"
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
def test_maps_of_some_places_and_not_of_too_many(size: int, measured: bool) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * (size - 2) ** 2, 5))
    recogniser = Recogniser(network, name="n", preprocessing=Preprocessing(0.0, 1.0, input_size=size))
    statistics = measure(recogniser.freeze(), [torch.rand(2, 3, size, size)])
    assert len(statistics.layers) == 2
    assert [layer.place.name for layer in statistics.maps] == ["backbone.0"] * measured


def test_maps_come_back_to_three_digits(recogniser: Recogniser, images: Tensor, tmp_path: Path) -> None:
    statistics = measure(recogniser, [images])
    (layer,) = statistics.maps
    # Channels far from nought, or of a size that half precision does not know.
    factors, offsets = torch.tensor([1.0, 1e6, 1e-6, 0]), torch.tensor([0, 1e8, 0.1, 3])
    scale, offset = factors[:, None, None], offsets[:, None, None]
    odd = replace(
        layer,
        mean=layer.mean * factors + offsets,
        variance=layer.variance * factors**2,
        map_mean=layer.map_mean * scale + offset,  # type: ignore[operator]
        map_variance=layer.map_variance * scale**2,  # type: ignore[operator]
    )
    save_statistics(tmp_path / "s.safetensors", replace(statistics, layers=(odd,)))
    (again,) = load_statistics(tmp_path / "s.safetensors").maps
    assert again.map_mean is not None
    assert again.map_variance is not None
    assert odd.map_variance is not None
    deviation = odd.map_variance.sqrt().clamp_min(1e-6)
    assert float(((again.map_mean - odd.map_mean) / deviation).abs().max()) < 5e-3
    assert (
        float((again.map_variance.sqrt() / deviation - odd.map_variance.sqrt() / deviation).abs().max())
        < 2e-3
    )
    assert again.map_mean.dtype == torch.float32


@pytest.mark.parametrize("damage", ["alone", "shape", "channels", "not finite"])
def test_damaged_maps_are_refused(
    damage: str, recogniser: Recogniser, images: Tensor, tmp_path: Path
) -> None:
    path, name = tmp_path / "s.safetensors", "backbone.conv/map_mean"
    save_statistics(path, measure(recogniser, [images]))
    with safe_open(path, framework="pt") as file:
        tensors, metadata = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    if damage == "alone":
        del tensors[name]
    elif damage == "not finite":
        tensors[name][0, 0, 0] = float("inf")
    else:
        tensors[name] = tensors[name][:, :2].contiguous() if damage == "shape" else tensors[name][:2]
    save_file(tensors, path, metadata)
    with pytest.raises(InputError, match=r"damaged statistics.*calibrate again"):
        load_statistics(path)


def test_a_file_without_maps_is_read(recogniser: Recogniser, images: Tensor, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    statistics = measure(recogniser, [images])
    before = tuple(replace(layer, map_mean=None, map_variance=None) for layer in statistics.layers)
    save_statistics(path, replace(statistics, layers=before))
    again = load_statistics(path)
    assert (len(again.layers), again.maps) == (3, ())
    assert isinstance(PRIORS["scale-free"](again), BatchNormPrior)
    with pytest.raises(InputError, match=r"expected statistics of places for per-location.*calibrate"):
        PRIORS["per-location"](again)


def test_maps_of_another_size_are_refused(recogniser: Recogniser, images: Tensor) -> None:
    prior = PRIORS["per-location"](measure(recogniser, [images]))
    larger = Recogniser(recogniser.backbone, name="l", preprocessing=Preprocessing(0.0, 1.0, input_size=11))
    message = r"backbone.conv of \(4, 4, 4\), as calibrated, got \(4, 5, 5\)"
    with prior.listening(larger), pytest.raises(InputError, match=message):
        larger(torch.rand(2, 3, 11, 11, requires_grad=True))


@pytest.mark.parametrize("name", list(PRIORS))
def test_a_prior_is_least_where_the_statistics_are_met(
    name: str, recogniser: Recogniser, images: Tensor
) -> None:
    both = torch.cat([images, images.flip(-1)])
    if name == "per-image":
        # One image has the statistics of all if there is no other.
        images = (both[:1] + both[7:8]) / 2
        both = images.clone()
    prior = PRIORS[name](measure(recogniser, [images], pattern="conv|norm"))
    with prior.listening(recogniser):
        recogniser(both.requires_grad_())
        met = prior()
        recogniser((0.3 * both).detach().requires_grad_())
        missed = prior()
    assert met.item() < 1e-2 < missed.item()


def test_the_networks_own_statistics_come_first() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 49, 5)).eval()
    recogniser = Recogniser(network, name="n", preprocessing=Preprocessing(0.0, 1.0, input_size=9)).freeze()
    images = torch.rand(3, 3, 9, 9, requires_grad=True)
    values = []
    for prior in (PRIORS["paper"](), PRIORS["paper"](measure(recogniser, [torch.rand(2, 3, 9, 9)]))):
        with prior.listening(recogniser):
            recogniser(images)
            values.append(prior())
    assert torch.equal(*values)


def test_a_prior_of_batch_norm_inputs_equals_one_of_the_same_numbers_measured() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 49, 5)).eval()
    network[1].running_mean.normal_()
    network[1].running_var.uniform_(0.5, 2)
    recogniser = Recogniser(network, name="n", preprocessing=Preprocessing(0.0, 1.0, input_size=9)).freeze()
    statistics = measure(recogniser, [torch.rand(2, 3, 9, 9)], pattern=r"backbone\.0")
    (layer,) = statistics.layers
    layer = replace(layer, mean=network[1].running_mean.clone(), variance=network[1].running_var.clone())
    # The same network but for its BatchNorm, which comes after what is measured.
    without = Recogniser(
        nn.Sequential(network[0], *network[2:]), name="n", preprocessing=recogniser.preprocessing
    )
    images = torch.rand(3, 3, 9, 9, requires_grad=True)
    values = []
    for heard, prior in (
        (recogniser, PRIORS["scale-free"]()),
        (without, PRIORS["scale-free"](replace(statistics, layers=(layer,)))),
    ):
        with prior.listening(heard):
            heard(images)
            values.append(prior())
    torch.testing.assert_close(values[0], values[1])


def test_places_are_chosen_by_name(recogniser: Recogniser) -> None:
    assert [name for name, _, _ in measurable_sites(recogniser, "head")] == ["backbone.head"]
    with pytest.raises(InputError, match="found none that match 'nothing'"):
        measurable_sites(recogniser, "nothing")
    with pytest.raises(InputError, match="expected a regular expression"):
        measurable_sites(recogniser, "(")


def test_statistics_of_another_network_are_refused(
    recogniser: Recogniser, images: Tensor, tmp_path: Path
) -> None:
    path = tmp_path / "s.safetensors"
    save_statistics(path, replace(measure(recogniser, [images]), model_sha256="cd" * 32))
    with pytest.raises(InputError, match=r"expected statistics of tokens .*calibrate this network"):
        statistics_for(recogniser, path)


def test_statistics_beside_a_model_are_found(recogniser: Recogniser, images: Tensor, tmp_path: Path) -> None:
    assert statistics_for(recogniser, None) is None
    model = tmp_path / "model.onnx"
    model.write_bytes(b"")
    beside = Recogniser(
        recogniser.backbone, name="tokens", source=replace(recogniser.source, path=str(model))
    )
    assert statistics_for(beside, None) is None
    save_statistics(tmp_path / f"model.onnx{SUFFIX}", measure(recogniser, [images]))
    found = statistics_for(beside, None)
    assert found is not None
    assert found.images == 7


@pytest.mark.parametrize("content", [b"", b"text", b"\xff" * 200])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged statistics file"):
        load_statistics(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="expected statistics that 'arcinvert calibrate' wrote"):
        load_statistics(path)
    with pytest.raises(InputError, match="found no such file"):
        load_statistics(tmp_path / "none")
