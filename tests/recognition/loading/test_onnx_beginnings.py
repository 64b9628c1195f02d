"""The range and the channel order that a graph takes, whatever stands before its constants.

The oracle is onnxruntime: the recogniser's embeddings of images are those that the graph has of the same
images in the range and the order of channels that it was made for.
"""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from recognition.errors import InputError
from recognition.loading import load
from recognition.recogniser import Recogniser
from tests.recognition.loading.files import run_onnx

CHANCE = np.random.default_rng(0)
SIDE = 8
KERNEL = CHANCE.normal(size=(12, 3, 3, 3)).astype(np.float32)
IMAGENET, DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def node(operator: str, inputs: str, output: str, **attributes) -> onnx.NodeProto:
    return helper.make_node(
        operator, ["" if one == "-" else one for one in inputs.split()], [output], **attributes
    )


def channelled(*numbers: float) -> np.ndarray:
    return np.array(numbers, np.float32).reshape(3, 1, 1)


def number(value: float) -> np.ndarray:
    return np.array(value, np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def graph(nodes, weights: dict, *, last: bool = False, opset: int = 17) -> onnx.ModelProto:
    """Return a graph that begins with nodes from x to n, and goes on with a convolution and a pooling.

    Tanh is not linear, so that a difference of scale alone shows.
    """
    nodes = [
        *nodes,
        node("Conv", "n kernel", "maps"),
        node("Tanh", "maps", "bent"),
        node("GlobalAveragePool", "bent", "pooled"),
        node("Flatten", "pooled", "y"),
    ]
    shape = ("batch", SIDE, SIDE, 3) if last else ("batch", 3, SIDE, SIDE)
    weights = {"kernel": KERNEL, **weights}
    made = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("batch", 12))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def loaded(model: onnx.ModelProto, tmp_path) -> Recogniser:
    onnx.save(model, tmp_path / "graph.onnx")
    return load(tmp_path / "graph.onnx")


def assert_takes(model, tmp_path, factor, summand, *, bgr=False, last=False) -> None:
    """Assert that a graph is read, without a second reading, as one of `factor * image + summand`.

    Both are numbers, or tensors of one for each channel.
    """
    recogniser = loaded(model, tmp_path)
    images = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    taken = factor * (images.flip(1) if bgr else images) + summand
    expected = run_onnx(tmp_path / "graph.onnx", taken.permute(0, 2, 3, 1) if last else taken)
    torch.testing.assert_close(recogniser(images), expected, atol=1e-4, rtol=0)
    assert recogniser.source.readings == ()
    assert recogniser.preprocessing.channels == ("BGR" if bgr else "RGB")


NORMALISE = [node("Sub", "z grey", "s"), node("Mul", "s factor", "n")]
GREY = {"grey": number(127.5), "factor": number(1 / 128)}
#: Nodes from x to z before the constants of pixels in 0 to 255, and what they need.
BEFORE: dict[str, tuple[list[onnx.NodeProto], dict]] = {
    "resize-by-scales": (
        [node("Resize", "x - two", "z", mode="linear")],
        {"two": np.array([1, 1, 2, 2], "f")},
    ),
    "resize-to-sizes": (
        [node("Resize", "x - - sizes", "z", mode="cubic")],
        {"sizes": ints(2, 3, 7, 7)},
    ),
    "average": ([node("AveragePool", "x", "z", kernel_shape=[2, 2], pads=[1, 1, 1, 1])], {}),
    "pad": ([node("Pad", "x pads", "z")], {"pads": ints(0, 0, 1, 2, 0, 0, 2, 1)}),
    "pad-by-a-value": ([node("Pad", "x pads grey", "z")], {"pads": ints(0, 0, 1, 1, 0, 0, 1, 1)}),
    "negative-pad": ([node("Pad", "x pads", "z")], {"pads": ints(0, 0, -1, -1, 0, 0, -1, -1)}),
    "crop": (
        [node("Slice", "x ones sevens axes", "z")],
        {"ones": ints(1, 1), "sevens": ints(7, -1), "axes": ints(2, -1)},
    ),
    "mirror": (
        [node("Slice", "x end start axis step", "z")],
        {"end": ints(-1), "start": ints(-99), "axis": ints(-1), "step": ints(-1)},
    ),
    "reshape": ([node("Reshape", "x shape", "z")], {"shape": ints(-1, 3, SIDE, SIDE)}),
    "flat-and-back": (
        [node("Flatten", "x", "f"), node("Reshape", "f shape", "z")],
        {"shape": ints(-1, 3, SIDE, SIDE)},
    ),
    "channels-last-and-back": (
        [node("Transpose", "x", "t", perm=[0, 2, 3, 1]), node("Transpose", "t", "z", perm=[0, 3, 1, 2])],
        {},
    ),
    "min": ([node("Min", "x most", "z")], {"most": number(255)}),
    "max": ([node("Max", "zero x", "z")], {"zero": number(0)}),
    "clip": ([node("Clip", "x zero most", "z")], {"zero": number(0), "most": number(255)}),
    "round": ([node("Cast", "x", "f", to=TensorProto.FLOAT), node("Identity", "f", "z")], {}),
    "added-to-itself": ([node("Add", "x x", "t"), node("Mul", "t half", "z")], {"half": number(0.5)}),
    "mean-with-itself": ([node("Mean", "x x", "z")], {}),
    "expanded-axes": (
        [node("Unsqueeze", "x first", "u"), node("Squeeze", "u first", "z")],
        {"first": ints(1)},
    ),
}


@pytest.mark.parametrize("name", BEFORE)
def test_constants_are_read_behind_what_leaves_the_pixels_as_they_are(name, tmp_path):
    nodes, weights = BEFORE[name]
    assert_takes(graph([*nodes, *NORMALISE], weights | GREY), tmp_path, 255, 0)


def test_a_mean_that_is_expanded_to_the_images_shape_is_read(tmp_path):
    nodes = [
        node("Shape", "x", "shape"),
        node("Expand", "mean shape", "means"),
        node("Sub", "x means", "s"),
        node("Div", "s deviation", "n"),
    ]
    weights = {"mean": channelled(*IMAGENET), "deviation": channelled(*DEVIATIONS)}
    assert_takes(graph(nodes, weights), tmp_path, 1, 0)


#: Ways to reverse the channels: nodes from x to z, what they need, and whether the input has channels last.
REVERSALS: dict[str, tuple[list[onnx.NodeProto], dict, bool]] = {
    "gather": ([node("Gather", "x order", "z", axis=-3)], {"order": ints(2, 1, 0)}, False),
    "slice": (
        [node("Slice", "x end start axis step", "z")],
        {"end": ints(-1), "start": ints(-99), "axis": ints(-3), "step": ints(-1)},
        False,
    ),
    "channels-last": (
        [node("Gather", "x order", "g", axis=-1), node("Transpose", "g", "z", perm=[0, 3, 1, 2])],
        {"order": ints(2, 1, 0)},
        True,
    ),
    "matrix": (
        [node("MatMul", "x order", "m"), node("Transpose", "m", "z", perm=[0, 3, 1, 2])],
        {"order": np.eye(3, dtype="f")[::-1].copy()},
        True,
    ),
}


@pytest.mark.parametrize("name", REVERSALS)
def test_constants_are_read_behind_reversed_channels(name, tmp_path):
    nodes, weights, last = REVERSALS[name]
    assert_takes(graph([*nodes, *NORMALISE], weights | GREY, last=last), tmp_path, 255, 0, last=last)


@pytest.mark.parametrize("name", REVERSALS)
def test_means_of_reversed_channels_are_those_of_the_inputs_order(name, tmp_path):
    """A graph that reverses its channels and then subtracts the means of RGB takes BGR."""
    nodes, weights, last = REVERSALS[name]
    weights = weights | {"grey": 255 * channelled(*IMAGENET), "factor": number(1 / 58)}
    model = graph([*nodes, *NORMALISE], weights, last=last)
    assert_takes(model, tmp_path, 255, 0, bgr=True, last=last)


def one_by_one(factors, summands) -> onnx.ModelProto:
    """Return a graph that scales and shifts channel by channel, as `x[:, 0]` and `unsqueeze` do."""
    nodes, weights = [], {"one": ints(1)}
    for channel in range(3):
        nodes += [
            node("Gather", f"x i{channel}", f"g{channel}", axis=1),
            node("Unsqueeze", f"g{channel} one", f"u{channel}"),
            node("Mul", f"u{channel} f{channel}", f"s{channel}"),
            node("Add", f"s{channel} d{channel}", f"n{channel}"),
        ]
        weights |= {f"i{channel}": np.array(channel), f"f{channel}": number(factors[channel])}
        weights |= {f"d{channel}": number(summands[channel])}
    return graph([*nodes, node("Concat", "n0 n1 n2", "n", axis=1)], weights)


def test_channels_taken_one_by_one_are_joined(tmp_path):
    mean, std = np.array(IMAGENET), np.array(DEVIATIONS)
    assert_takes(one_by_one(1 / std, -mean / std), tmp_path, 1, 0)


@pytest.mark.parametrize("bgr", [False, True])
def test_what_undoes_imagenets_normalisation_takes_images_normalised_so(bgr, tmp_path):
    """torchvision's `transform_input`, whose zero points rise although the means of its images fall."""
    mean, std = np.array(IMAGENET), np.array(DEVIATIONS)
    step = -1 if bgr else 1
    model = one_by_one((std / 0.5)[::step], ((mean - 0.5) / 0.5)[::step])
    factor = torch.from_numpy(channelled(*(1 / std)[::step]))
    summand = torch.from_numpy(channelled(*(-mean / std)[::step]))
    assert_takes(model, tmp_path, factor, summand, bgr=bgr)


@pytest.mark.parametrize(
    ("low", "high", "factor", "summand"), [(0, 255, 255, 0), (0, 1, 1, 0), (-1, 1, 2, -1)]
)
def test_a_graph_that_clamps_its_input_takes_what_it_lets_through(low, high, factor, summand, tmp_path):
    model = graph([node("Clip", "x low high", "n")], {"low": number(low), "high": number(high)})
    assert_takes(model, tmp_path, factor, summand)
    assert "clamps its input" in loaded(model, tmp_path).source.reason


@pytest.mark.parametrize(
    ("between", "operator"),
    [
        ([node("HardSwish", "x", "z")], "HardSwish"),
        ([node("Relu", "x", "z")], "Relu"),
        ([node("Greater", "x grey", "g"), node("Where", "g x grey", "z")], "Greater"),
    ],
    ids=["hard-swish", "relu", "where"],
)
def test_constants_behind_an_operator_that_is_not_followed_leave_all_ranges_open(between, operator, tmp_path):
    source = loaded(graph([*between, *NORMALISE], GREY), tmp_path).source
    assert source.readings == ("insightface", "zero-to-one", "zero-to-255")
    assert f"constants behind {operator}, which was not followed" in source.reason
    assert source.reason.startswith("ambiguous: ")


@pytest.mark.parametrize("nodes", [NORMALISE, [node("Neg", "z", "n")]], ids=["constants", "none"])
def test_ranges_whose_embeddings_are_not_finite_are_left_out(nodes, tmp_path):
    source = loaded(graph([node("Sqrt", "x", "z"), *nodes], GREY), tmp_path).source
    assert source.readings == ("zero-to-one", "zero-to-255")


def test_an_operator_that_is_not_followed_without_constants_leaves_nothing_open(tmp_path):
    source = loaded(graph([node("Sin", "x", "s"), node("Abs", "s", "n")], {}), tmp_path).source
    assert source.readings == ()
    assert "no preprocessing" in source.reason


WHITENING = [
    node("ReduceMean", "x", "m", axes=[1, 2, 3]),
    node("Sub", "x m", "s"),
    node("Mul", "s s", "q"),
    node("ReduceMean", "q", "v", axes=[1, 2, 3]),
]


@pytest.mark.parametrize("epsilon", [0, 1e-6])
def test_a_graph_that_whitens_each_image_takes_any_range(epsilon, tmp_path):
    """Without an epsilon, a constant image would be 0 / 0."""
    variance = [node("Add", "v epsilon", "w")] if epsilon else [node("Identity", "v", "w")]
    nodes = [*WHITENING, *variance, node("Sqrt", "w", "d"), node("Div", "s d", "n")]
    model = graph(nodes, {"epsilon": number(epsilon)} if epsilon else {})
    for factor, summand in ((255, 0), (1, 0), (2, -1)):
        assert_takes(model, tmp_path, factor, summand)
    assert "the range does not matter" in loaded(model, tmp_path).source.reason


def normalising_batch_norm(means, deviations) -> onnx.ModelProto:
    """Return a graph whose first BatchNorm subtracts and divides by its weights, and has no statistics."""
    weights = {
        "w": 1 / np.array(deviations, "f"),
        "b": -np.array(means, "f") / np.array(deviations, "f"),
        "m": np.zeros(3, "f"),
        "v": np.ones(3, "f"),
    }
    return graph([node("BatchNormalization", "x w b m v", "n")], weights)


@pytest.mark.parametrize(
    ("means", "deviations", "factor"),
    [(IMAGENET, DEVIATIONS, 1), ((127.5,) * 3, (128,) * 3, 255), ((0.5,) * 3, (0.5,) * 3, 1)],
)
def test_a_batchnorm_that_normalises_by_its_weights_is_read(means, deviations, factor, tmp_path):
    assert_takes(normalising_batch_norm(means, deviations), tmp_path, factor, 0)


def test_a_batchnorm_that_changes_nothing_shows_nothing(tmp_path):
    recogniser = loaded(normalising_batch_norm((0,) * 3, (1,) * 3), tmp_path)
    assert recogniser.source.readings == ()
    assert "no preprocessing" in recogniser.source.reason


BGR_MEANS = {
    "imagenet": ((0.406, 0.456, 0.485), (0.225, 0.224, 0.229), 1),
    "caffe": ((103.939, 116.779, 123.68), (1, 1, 1), 255),
    "caffe-rounded": ((104.0, 117.0, 123.0), (1, 1, 1), 255),
    "vggface2": ((91.4953, 103.8827, 131.0912), (1, 1, 1), 255),
    "vggface": ((93.5940, 104.7624, 129.1863), (1, 1, 1), 255),
}


@pytest.mark.parametrize("name", BGR_MEANS)
@pytest.mark.parametrize("bgr", [True, False])
def test_known_means_show_the_order_of_the_channels(bgr, name, tmp_path):
    means, deviations, factor = BGR_MEANS[name]
    step = 1 if bgr else -1
    nodes = [node("Sub", "x mean", "s"), node("Div", "s deviation", "n")]
    weights = {"mean": channelled(*means[::step]), "deviation": 0.01 * channelled(*deviations[::step])}
    assert_takes(graph(nodes, weights), tmp_path, factor, 0, bgr=bgr)


@pytest.mark.parametrize("way", ["sub", "batch-norm", "folded"])
def test_rising_means_that_are_not_known_leave_both_orders_open(way, tmp_path):
    means = np.array([80.0, 95.0, 115.0], "f")
    if way == "sub":
        model = graph([node("Sub", "x mean", "n")], {"mean": channelled(*means)})
    elif way == "batch-norm":
        ones = np.ones(3, "f")
        model = graph(
            [node("BatchNormalization", "x w b m v", "n")],
            {"w": ones, "b": 0 * ones, "m": means, "v": 60**2 * ones},
        )
    else:
        kernel = CHANCE.normal(size=(16, 3, 3, 3)).astype("f")
        bias = -(kernel * means[:, None, None]).sum((1, 2, 3))
        model = graph(
            [node("Conv", "x k b", "a"), node("Conv", "a mix", "n")],
            {"k": kernel, "b": bias, "mix": CHANCE.normal(size=(3, 16, 1, 1)).astype("f")},
        )
    recogniser = loaded(model, tmp_path)
    assert recogniser.source.readings == ("zero-to-255,channels=BGR", "zero-to-255")
    assert recogniser.preprocessing.channels == "BGR"
    assert "0 to 255 (--preset zero-to-255) as well" in recogniser.source.reason


def test_integers_take_the_order_of_their_means(tmp_path):
    nodes = [node("Cast", "x", "f", to=TensorProto.FLOAT), node("Sub", "f mean", "n")]
    model = graph(nodes, {"mean": channelled(103.939, 116.779, 123.68)})
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    recogniser = loaded(model, tmp_path)
    assert recogniser.preprocessing.channels == "BGR"
    assert recogniser.preprocessing.std == 1 / 255
    assert recogniser.source.readings == ()


@pytest.mark.parametrize("side_first", [True, False])
def test_constants_are_found_beside_a_layer_that_takes_the_image_as_it_is(side_first, tmp_path):
    """As a network that finds the pose in one branch, and normalises in the other."""
    side = [
        node("Conv", "x side", "a"),
        node("GlobalAveragePool", "a", "b"),
        node("Sigmoid", "b", "weights"),
    ]
    normalise = [node("Identity", "x", "z"), *NORMALISE[:1], node("Mul", "s factor", "o")]
    nodes = [*side, *normalise] if side_first else [*normalise, *side]
    weights = GREY | {"side": CHANCE.normal(size=(3, 3, 3, 3)).astype("f")}
    assert_takes(
        graph(
            [*nodes, node("Conv", "o mix", "m"), node("Mul", "m weights", "n")], weights | {"mix": KERNEL[:3]}
        ),
        tmp_path,
        255,
        0,
    )


def test_an_index_that_a_graph_does_not_have_is_refused_in_one_line(tmp_path):
    model = graph([node("Gather", "x order", "z", axis=1), *NORMALISE], GREY | {"order": ints(2, 1, 7)})
    with pytest.raises(InputError, match="does not run on a batch of two 8x8 images") as caught:
        loaded(model, tmp_path)
    assert "\n" not in str(caught.value)
