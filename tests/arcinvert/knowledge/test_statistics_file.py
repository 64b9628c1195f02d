"""The file of statistics: what is written comes back, and damage is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from arcinvert.inversion.parametrisations.pixels import Pixels
from arcinvert.inversion.penalties import PENALTIES
from arcinvert.inversion.penalties.base import Setting
from arcinvert.knowledge.activation_statistics import FaceKind, MeasuredStatistics
from arcinvert.knowledge.measure import measure
from arcinvert.knowledge.statistics_file import (
    SUFFIX,
    default_path,
    find_statistics,
    load_statistics,
    save_statistics,
)
from recognition.errors import InputError
from recognition.recogniser import Recogniser
from tests.arcinvert.knowledge.networks import some_images


@pytest.fixture(scope="module")
def statistics(recogniser: Recogniser) -> MeasuredStatistics:
    """Statistics with maps, neighbours and a regression, of twenty faces."""
    return measure(recogniser, [some_images(20, seed=1)])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.safetensors"


def contents(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118


def assert_same(one: Any, other: Any, *names: str) -> None:
    for name in names:
        assert torch.equal(getattr(one, name), getattr(other, name)), name


def test_everything_comes_back(statistics: MeasuredStatistics, path: Path) -> None:
    save_statistics(path, statistics)
    again = load_statistics(path)
    assert [layer.site for layer in again.layers] == [layer.site for layer in statistics.layers]
    for one, other in zip(again.layers, statistics.layers, strict=True):
        assert_same(one, other, "mean", "variance")
        assert one.count == other.count
    assert (again.model_sha256, again.model_name, again.images) == ("ab" * 32, "tokens", 20)
    assert_same(again.nearest_neighbours, statistics.nearest_neighbours, "templates", "pca_coefficients")
    assert_same(again.regression, statistics.regression, "template", "pca_coefficients", "matrix")
    assert again.regression is not None
    assert again.regression.count == 20


def test_further_tensors_are_ignored(statistics: MeasuredStatistics, path: Path) -> None:
    save_statistics(path, statistics)
    tensors, metadata = contents(path)
    save_file(tensors | {"further/mean": torch.zeros(4)}, path, metadata)
    assert len(load_statistics(path).layers) == 3


def test_a_file_may_lack_faces_and_regression(statistics: MeasuredStatistics, path: Path) -> None:
    save_statistics(path, replace(statistics, nearest_neighbours=None, regression=None))
    tensors, _ = contents(path)
    assert not any("nearest_neighbours" in key or "regression" in key for key in tensors)
    again = load_statistics(path)
    assert (again.nearest_neighbours, again.regression) == (None, None)


def test_maps_come_back_to_three_digits(statistics: MeasuredStatistics, path: Path) -> None:
    (layer,) = statistics.maps
    # Channels far from zero, or of a magnitude that half precision does not have.
    factors, offsets = torch.tensor([1.0, 1e6, 1e-6, 0]), torch.tensor([0, 1e8, 0.1, 3])
    scale, offset = factors[:, None, None], offsets[:, None, None]
    odd = replace(
        layer,
        mean=layer.mean * factors + offsets,
        variance=layer.variance * factors**2,
        map_mean=layer.map_mean * scale + offset,  # type: ignore[operator]
        map_variance=layer.map_variance * scale**2,  # type: ignore[operator]
    )
    save_statistics(path, replace(statistics, layers=(odd,)))
    (again,) = load_statistics(path).maps
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
def test_damaged_maps_are_refused(damage: str, statistics: MeasuredStatistics, path: Path) -> None:
    name = "backbone.conv/map_mean"
    save_statistics(path, statistics)
    tensors, metadata = contents(path)
    if damage == "alone":
        del tensors[name]
    elif damage == "not finite":
        tensors[name][0, 0, 0] = float("inf")
    else:
        tensors[name] = tensors[name][:, :2].contiguous() if damage == "shape" else tensors[name][:2]
    save_file(tensors, path, metadata)
    with pytest.raises(InputError, match=r"damaged statistics.*calibrate again"):
        load_statistics(path)


def test_damaged_neighbours_are_refused(statistics: MeasuredStatistics, path: Path) -> None:
    assert statistics.nearest_neighbours is not None
    damaged = replace(statistics.nearest_neighbours, templates=torch.full((20, 5), float("nan")))
    save_statistics(path, replace(statistics, nearest_neighbours=damaged))
    with pytest.raises(InputError, match=r"damaged statistics file \(nearest neighbours\); calibrate again"):
        load_statistics(path)


def test_a_damaged_regression_is_refused(statistics: MeasuredStatistics, path: Path) -> None:
    assert statistics.regression is not None
    matrix = torch.full_like(statistics.regression.matrix, float("inf"))
    save_statistics(path, replace(statistics, regression=replace(statistics.regression, matrix=matrix)))
    with pytest.raises(InputError, match=r"damaged statistics file \(regression\); calibrate again"):
        load_statistics(path)


def test_a_file_without_maps_is_read(
    statistics: MeasuredStatistics, recogniser: Recogniser, path: Path
) -> None:
    before = tuple(replace(layer, map_mean=None, map_variance=None) for layer in statistics.layers)
    save_statistics(path, replace(statistics, layers=before))
    again = load_statistics(path)
    assert (len(again.layers), again.maps) == (3, ())
    setting = Setting(recogniser, Pixels, again)
    assert PENALTIES["bn"].missing(setting) is None
    lacks = PENALTIES["bn-per-position"].missing(setting)
    assert lacks is not None
    assert lacks.startswith("expected statistics of each position, found none; measure them with 'arcinvert")


def test_statistics_of_another_network_are_refused(
    statistics: MeasuredStatistics, recogniser: Recogniser, path: Path
) -> None:
    save_statistics(path, replace(statistics, model_sha256="cd" * 32))
    with pytest.raises(InputError, match=r"expected statistics of tokens .*calibrate this network"):
        find_statistics(recogniser, path)
    # Another output of the same file is another network.
    save_statistics(path, statistics)
    other = Recogniser(
        recogniser.backbone, name="tokens", source=replace(recogniser.source, output="features")
    )
    assert find_statistics(recogniser, path) is not None
    with pytest.raises(InputError, match=r"expected statistics of tokens \(\w{12}:features\), got those of"):
        find_statistics(other, path)
    layer = statistics.layers[0]
    renamed = replace(layer, site=replace(layer.site, name="backbone.other"))
    save_statistics(path, replace(statistics, layers=(renamed,)))
    with pytest.raises(InputError, match=r"expected layers of tokens, found no backbone\.other; calibrate"):
        find_statistics(recogniser, path)


def test_statistics_of_another_preprocessing_are_refused(
    recogniser: Recogniser, statistics: MeasuredStatistics, path: Path
) -> None:
    save_statistics(path, statistics)
    assert load_statistics(path).preprocessing == recogniser.preprocessing
    assert find_statistics(recogniser, path) is not None
    earlier = path.with_name("earlier.safetensors")
    save_statistics(earlier, replace(statistics, preprocessing=None))
    given = recogniser.preprocessing
    try:
        recogniser.preprocessing = replace(given, channels="BGR", mean=(0.1, 0.2, 0.3))
        with pytest.raises(
            InputError, match=r"expected statistics with the same --preset, got one of .*'RGB'"
        ):
            find_statistics(recogniser, path)
        # Files that do not say it are of whatever it is.
        assert find_statistics(recogniser, earlier) is not None
    finally:
        recogniser.preprocessing = given


@pytest.mark.parametrize("stored", ["[]", "{}", "null", '{"mean": "a"}', "1e999"])
def test_a_damaged_preprocessing_is_refused(stored: str, statistics: MeasuredStatistics, path: Path) -> None:
    save_statistics(path, statistics)
    tensors, metadata = contents(path)
    save_file(tensors, path, metadata | {"preprocessing": stored})
    with pytest.raises(InputError, match="damaged statistics file"):
        load_statistics(path)


def test_statistics_beside_a_network_are_found(
    statistics: MeasuredStatistics, recogniser: Recogniser, tmp_path: Path
) -> None:
    assert default_path(recogniser) is None
    assert find_statistics(recogniser, None) is None
    model = tmp_path / "model.onnx"
    model.write_bytes(b"")
    beside = Recogniser(
        recogniser.backbone,
        name="tokens",
        preprocessing=recogniser.preprocessing,
        source=replace(recogniser.source, path=str(model)),
    )
    assert find_statistics(beside, None) is None
    assert default_path(beside) == tmp_path / f"model.onnx{SUFFIX}"
    save_statistics(tmp_path / f"model.onnx{SUFFIX}", statistics)
    found = find_statistics(beside, None)
    assert found is not None
    assert found.images == 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "damaged statistics file"),
        (b"text", "damaged safetensors file \\(a header of"),
        (b"\xff" * 200, "damaged safetensors file \\(a header of"),
    ],
)
def test_other_files_are_refused(content: bytes, message: str, path: Path) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as refused:
        load_statistics(path)
    assert "\n" not in str(refused.value)


def test_files_of_another_kind_and_missing_ones_are_refused(path: Path) -> None:
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match=r"expected a file of 'arcinvert calibrate' .*calibrate again"):
        load_statistics(path)
    with pytest.raises(InputError, match="found no such file"):
        load_statistics(path.with_name("none"))


@pytest.mark.parametrize("kind", ["public faces", "synthetic faces"])
def test_whose_faces_they_are_is_kept(recogniser: Recogniser, tmp_path: Path, kind: FaceKind) -> None:
    statistics = replace(measure(recogniser, [some_images(3)]), faces=kind, template_faces=kind)
    save_statistics(tmp_path / "s.safetensors", statistics)
    read = load_statistics(tmp_path / "s.safetensors")
    assert (read.faces, read.template_faces) == (kind, kind)
