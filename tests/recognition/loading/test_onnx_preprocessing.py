"""The range of pixel values that an ONNX graph takes, by the constants with which it begins."""

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from recognition.errors import InputError
from recognition.loading import PRESETS, ModelChoice, load
from tests.recognition.loading.files import export_onnx, graph_model, tiny_backbone

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CHANCE = np.random.default_rng(0)
KERNEL = CHANCE.normal(size=(12, 3, 3, 3))
#: What images in 0..1 are multiplied by, and what is then added, to have a range.
RANGES = {"zero-to-one": (1, 0), "zero-to-255": (255, 0), "insightface": (2, -1)}


class Normalising(nn.Module):
    """A network with the normalisation in it."""

    def __init__(self, normalise) -> None:
        super().__init__()
        self.normalise = normalise
        self.backbone = tiny_backbone()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.backbone(self.normalise(images))


def per_channel(numbers) -> torch.Tensor:
    return torch.tensor(numbers)[:, None, None]


#: Normalisations as networks write them, the range that they take, and the range that their backbone has.
IN_TORCH = {
    "half": (lambda x: (x - 0.5) / 0.5, "zero-to-one"),
    "doubled": (lambda x: x * 2 - 1, "zero-to-one"),
    "doubled-before": (lambda x: 2 * (x - 0.5), "zero-to-one"),
    "from-one": (lambda x: -(1 - 2 * x), "zero-to-one"),
    "imagenet": (lambda x: (x - per_channel(MEAN)) / per_channel(STD), "zero-to-one"),
    "imagenet-of-255": (lambda x: (x / 255 - per_channel(MEAN)) / per_channel(STD), "zero-to-255"),
    "imagenet-of-signed": (lambda x: ((x + 1) / 2 - per_channel(MEAN)) / per_channel(STD), "insightface"),
    "127.5": (lambda x: (x - 127.5) / 127.5, "zero-to-255"),
    "128": (lambda x: (x - 127.5) * 0.0078125, "zero-to-255"),
    "divided-first": (lambda x: x / 127.5 - 1, "zero-to-255"),
    "means-alone": (lambda x: x - per_channel((123.0, 117.0, 104.0)), "zero-to-255"),
    "255": (lambda x: x / 255, "zero-to-255"),
    "times-255": (lambda x: (x * 255 - 127.5) / 128, "zero-to-one"),
    "to-255": (lambda x: x * 255, "zero-to-one"),
    "signed-to-one": (lambda x: (x + 1) / 2, "insightface"),
    "signed-to-255": (lambda x: x * 127.5 + 127.5, "insightface"),
    "reversed": (lambda x: (x.flip(1) - 0.5) / 0.5, "zero-to-one"),
}


@pytest.mark.parametrize("name", IN_TORCH)
def test_a_graph_that_normalises_takes_the_range_of_its_constants(name, images, tmp_path):
    normalise, preset = IN_TORCH[name]
    network = Normalising(normalise).eval()
    path = tmp_path / "network.onnx"
    export_onnx(network, path, 112)
    recogniser = load(path)
    expected = PRESETS[preset]
    assert (recogniser.preprocessing.mean, recogniser.preprocessing.std) == (expected.mean, expected.std)
    assert recogniser.source.readings == ()
    assert "normalises its input itself" in recogniser.source.reason
    factor, summand = RANGES[preset]
    with torch.no_grad():
        embeddings = F.normalize(network(factor * images + summand))
    torch.testing.assert_close(recogniser(images), embeddings, atol=1e-4, rtol=0)


def test_a_graph_without_normalisation_takes_insightfaces(tmp_path):
    path = tmp_path / "network.onnx"
    export_onnx(tiny_backbone(), path, 112)
    recogniser = load(path)
    assert recogniser.preprocessing == PRESETS["insightface"]
    assert "no preprocessing" in recogniser.source.reason


def taken(model: onnx.ModelProto, tmp_path) -> tuple[str, tuple[str, ...], str]:
    """Return the preset that a graph is read with, the readings of an ambiguous one, and the reason."""
    path = tmp_path / "graph.onnx"
    onnx.save(model, path)
    recogniser = load(path)
    values = (recogniser.preprocessing.mean, recogniser.preprocessing.std)
    names = {(PRESETS[name].mean, PRESETS[name].std): name for name in RANGES}
    return names[values], recogniser.source.readings, recogniser.source.reason


def beginning(nodes: list[onnx.NodeProto], weights: dict, **options) -> onnx.ModelProto:
    """Return a graph that begins with nodes from x to n, and goes on with a convolution."""
    rest = [
        helper.make_node("Conv", ["n", "kernel"], ["c"]),
        helper.make_node("Flatten", ["c"], ["y"]),
    ]
    return graph_model([*nodes, *rest], {"kernel": KERNEL, **weights}, **options)


def batch_norm(mean: float, deviation: float, weight: float = 1, bias: float = 0) -> onnx.ModelProto:
    node = helper.make_node("BatchNormalization", ["x", "w", "b", "m", "v"], ["n"])
    values = {"w": weight, "b": bias, "m": mean, "v": deviation**2}
    return beginning([node], {name: np.full(3, value) for name, value in values.items()})


@pytest.mark.parametrize(
    ("model", "preset"),
    [
        (batch_norm(127.5, 127.5), "zero-to-255"),
        (batch_norm(105.0, 60.0, 0.7, 0.1), "zero-to-255"),
        (batch_norm(0.5, 0.5), "zero-to-one"),
        (batch_norm(0.45, 0.25, 1.3, -0.2), "zero-to-one"),
    ],
    ids=["as-normaliser-of-255", "of-255", "as-normaliser-of-1", "of-1"],
)
def test_a_batchnorm_at_the_beginning_has_the_images_mean(model, preset, tmp_path):
    assert taken(model, tmp_path)[:2] == (preset, ())


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize(("mean", "preset"), [(0.5, "zero-to-one"), (127.5, "zero-to-255")])
def test_a_convolution_of_single_pixels_can_normalise(groups, mean, preset, tmp_path):
    factor = np.eye(3)[:, :, None, None] if groups == 1 else np.ones((3, 1, 1, 1))
    weights = {"k": factor / mean, "d": np.full(3, -1.0)}
    model = beginning([helper.make_node("Conv", ["x", "k", "d"], ["n"], group=groups)], weights)
    assert taken(model, tmp_path)[:2] == (preset, ())


@pytest.mark.parametrize(
    ("means", "preset"),
    [
        ((127.5, 127.5, 127.5), "zero-to-255"),
        ((0.5, 0.5, 0.5), "zero-to-one"),
        (MEAN, "zero-to-one"),
        ((123.7, 116.3, 103.5), "zero-to-255"),
    ],
)
def test_means_that_were_folded_into_the_first_bias_are_found(means, preset, tmp_path):
    bias = -(KERNEL * np.array(means)[:, None, None]).sum((1, 2, 3))
    nodes = [helper.make_node("Conv", ["x", "kernel", "d"], ["c"]), helper.make_node("Flatten", ["c"], ["y"])]
    model = graph_model(nodes, {"kernel": KERNEL, "d": bias})
    preset_taken, _, reason = taken(model, tmp_path)
    assert preset_taken == preset
    assert "bias of its first convolution subtracts" in reason


def test_a_bias_of_folded_batchnorms_shows_nothing(tmp_path):
    nodes = [helper.make_node("Conv", ["x", "kernel", "d"], ["c"]), helper.make_node("Flatten", ["c"], ["y"])]
    model = graph_model(nodes, {"kernel": KERNEL, "d": CHANCE.normal(size=12)})
    assert taken(model, tmp_path)[0] == "insightface"
    assert "no preprocessing" in taken(model, tmp_path)[2]


def test_integers_are_0_to_255(tmp_path):
    model = beginning([helper.make_node("Cast", ["x"], ["n"], to=TensorProto.FLOAT)], {})
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    assert taken(model, tmp_path)[:2] == ("zero-to-255", ())


def test_channels_last_graphs_are_read_alike(tmp_path):
    nodes = [
        helper.make_node("Sub", ["x", "mean"], ["s"]),
        helper.make_node("Div", ["s", "std"], ["d"]),
        helper.make_node("Transpose", ["d"], ["n"], perm=[0, 3, 1, 2]),
    ]
    model = beginning(nodes, {"mean": np.array(MEAN), "std": np.array(STD)}, shape=("batch", 8, 8, 3))
    assert taken(model, tmp_path)[:2] == ("zero-to-one", ())


def test_channels_normalised_one_by_one_are_joined(tmp_path):
    """The way of facenet's and Inception's `transform_input`."""
    nodes, parts, weights = [], [], {"sizes": np.ones(3)}
    nodes.append(helper.make_node("Split", ["x", "ones"], ["p0", "p1", "p2"], axis=1))
    for channel in range(3):
        nodes += [
            helper.make_node("Sub", [f"p{channel}", f"m{channel}"], [f"s{channel}"]),
            helper.make_node("Mul", [f"s{channel}", f"f{channel}"], [f"n{channel}"]),
        ]
        weights |= {f"m{channel}": np.array(MEAN[channel]), f"f{channel}": np.array(1 / STD[channel])}
        parts.append(f"n{channel}")
    nodes.append(helper.make_node("Concat", parts, ["n"], axis=1))
    model = beginning(nodes, weights)
    model.graph.initializer.append(numpy_helper.from_array(np.ones(3, np.int64), "ones"))
    assert taken(model, tmp_path)[:2] == ("zero-to-one", ())


def test_constants_with_two_readings_are_called_ambiguous(tmp_path):
    model = beginning([helper.make_node("Mul", ["x", "two"], ["n"])], {"two": np.array(2.0)})
    preset, readings, reason = taken(model, tmp_path)
    assert preset == "insightface"
    assert readings == ("insightface", "zero-to-one")
    assert "ambiguous" in reason
    assert "--preset zero-to-one" in reason
    assert "inspect --images" in reason


@pytest.mark.parametrize("channels", [1, 3])
def test_rectangles_and_grey_images_are_made_of_aligned_faces(channels, tmp_path):
    """Networks for 112x96 take the middle columns, those of one channel ITU-R BT.601's grey."""
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["y"])]
    weights = CHANCE.normal(size=(channels * 16 * 12, 4))
    path = tmp_path / "rectangle.onnx"
    onnx.save(graph_model(nodes, {"w": weights}, shape=("batch", channels, 16, 12)), path)
    recogniser = load(path)
    images = torch.rand(2, 3, 16, 16)
    middle = (2 * images - 1)[..., 2:14]
    if channels == 1:
        middle = 0.299 * middle[:, :1] + 0.587 * middle[:, 1:2] + 0.114 * middle[:, 2:]
    expected = F.normalize(middle.flatten(1) @ torch.from_numpy(weights).float())
    torch.testing.assert_close(recogniser(images), expected, atol=1e-5, rtol=0)
    assert recogniser.input_size == 16


def test_images_that_are_wider_than_high_are_refused(tmp_path):
    path = tmp_path / "eyes.onnx"
    onnx.save(graph_model([helper.make_node("Flatten", ["x"], ["y"])], {}, shape=("batch", 3, 8, 16)), path)
    with pytest.raises(InputError, match="square or higher than wide, as 112x96, got 8x16"):
        load(path)


def with_outputs(shapes: dict[str, tuple]) -> onnx.ModelProto:
    """Return a graph with outputs of these names and shapes: an embedding, and what is computed of it."""
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["y"])]
    nodes += [
        helper.make_node("ReduceL2", ["y"], ["norm"], axes=[1]),
        helper.make_node("Neg", ["y"], ["other"]),
    ]
    model = graph_model(nodes, {"w": CHANCE.normal(size=(192, 4))})
    del model.graph.output[:]
    model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()
    )
    return model


def test_the_embedding_among_a_graphs_outputs_is_found_or_chosen(tmp_path):
    path, images = tmp_path / "outputs.onnx", torch.rand(2, 3, 8, 8)
    onnx.save(with_outputs({"norm": ("batch", 1), "y": ("batch", 4)}), path)
    embeddings = load(path)(images)
    assert embeddings.shape == (2, 4)
    onnx.save(with_outputs({"other": ("batch", 4), "y": ("batch", 4)}), path)
    with pytest.raises(InputError, match=r"got other \[0, 4\], y \[0, 4\]; give --output NAME"):
        load(path)
    assert load(ModelChoice(path, output="y"))(images).shape == (2, 4)
    chosen = [load(ModelChoice(path, output=name))(images) for name in ("y", "other")]
    torch.testing.assert_close(chosen[0], -chosen[1])
    with pytest.raises(InputError, match="give --output NAME"):
        load(ModelChoice(path, output="none"))


def quantising(scale: float, point: np.ndarray, *after: onnx.NodeProto) -> onnx.ModelProto:
    """Return a graph that quantises its input, and may normalise it after that, from `d` to `n`."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "point"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "point"], ["d"]),
        *(after or [helper.make_node("Identity", ["d"], ["n"])]),
        helper.make_node("Flatten", ["n"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["y"]),
    ]
    weights = {"scale": np.array(scale), "w": CHANCE.normal(size=(192, 4)), "grey": np.array(127.5)}
    model = graph_model(nodes, weights)
    model.graph.initializer.append(numpy_helper.from_array(point, "point"))
    return model


@pytest.mark.parametrize(
    ("scale", "point", "preset"),
    [
        (2 / 255, np.array(128, np.uint8), "insightface"),
        (1 / 127, np.array(0, np.int8), "insightface"),
        (1 / 255, np.array(0, np.uint8), "zero-to-one"),
        (0.98 / 255, np.array(-128, np.int8), "zero-to-one"),
        (1.0, np.array(0, np.uint8), "zero-to-255"),
        (0.9, np.array(-128, np.int8), "zero-to-255"),
    ],
)
def test_a_graph_that_quantises_its_input_takes_the_range_that_it_quantises(scale, point, preset, tmp_path):
    path = tmp_path / "int8.onnx"
    onnx.save(quantising(scale, point), path)
    recogniser = load(path)
    expected = PRESETS[preset]
    assert (recogniser.preprocessing.mean, recogniser.preprocessing.std) == (expected.mean, expected.std)
    assert "it quantises its input from" in recogniser.source.reason


def test_a_graph_that_normalises_what_it_quantised_takes_the_range_of_its_constants(tmp_path):
    after = helper.make_node("Sub", ["d", "grey"], ["n"])
    onnx.save(quantising(1.0, np.array(0, np.uint8), after), tmp_path / "int8.onnx")
    recogniser = load(tmp_path / "int8.onnx")
    assert recogniser.preprocessing.std == PRESETS["zero-to-255"].std
    assert "make 0 of 127.5" in recogniser.source.reason
