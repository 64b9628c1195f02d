"""Measured statistics against naive ones, their file, and the prior that listens by them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from arcinvert.priors.batchnorm import PRIORS
from arcinvert.priors.measured import (
    SUFFIX,
    load_statistics,
    measurable_places,
    measure,
    save_statistics,
    statistics_for,
)
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
    save_file(tensors | {"backbone.conv/map_mean": torch.zeros(4, 4, 4)}, path, metadata)
    assert len(load_statistics(path).layers) == 3


@pytest.mark.parametrize("name", list(PRIORS))
def test_a_prior_is_least_where_the_statistics_are_met(
    name: str, recogniser: Recogniser, images: Tensor
) -> None:
    both = torch.cat([images, images.flip(-1)])
    prior = PRIORS[name](measure(recogniser, [images], pattern="conv|norm"))
    with prior.listening(recogniser):
        recogniser(both.requires_grad_())
        met = prior()
        recogniser((0.3 * both).detach().requires_grad_())
        missed = prior()
    assert met.item() < 1e-2 < missed.item()


def test_a_prior_of_batch_norm_inputs_equals_one_of_the_same_numbers_measured() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 49, 5)).eval()
    network[1].running_mean.normal_()
    network[1].running_var.uniform_(0.5, 2)
    recogniser = Recogniser(network, name="n", preprocessing=Preprocessing(0.0, 1.0, input_size=9)).freeze()
    statistics = measure(recogniser, [torch.rand(2, 3, 9, 9)], pattern=r"backbone\.0")
    (layer,) = statistics.layers
    layer = replace(layer, mean=network[1].running_mean.clone(), variance=network[1].running_var.clone())
    images = torch.rand(3, 3, 9, 9, requires_grad=True)
    values = []
    for prior in (PRIORS["scale-free"](), PRIORS["scale-free"](replace(statistics, layers=(layer,)))):
        with prior.listening(recogniser):
            recogniser(images)
            values.append(prior())
    torch.testing.assert_close(values[0], values[1])


def test_places_are_chosen_by_name(recogniser: Recogniser) -> None:
    assert [name for name, _, _ in measurable_places(recogniser, "head")] == ["backbone.head"]
    with pytest.raises(InputError, match="found none that match 'nothing'"):
        measurable_places(recogniser, "nothing")
    with pytest.raises(InputError, match="expected a regular expression"):
        measurable_places(recogniser, "(")


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
