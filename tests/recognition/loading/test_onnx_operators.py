"""Every operator of the converter against onnxruntime, alone and in small graphs."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from recognition.errors import InputError
from recognition.loading.onnx_network import OPERATORS, OnnxNetwork

CHANCE = np.random.default_rng(0)
#: Side of the tested images.
SIDE = 6


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def floats(*shape: int) -> np.ndarray:
    return CHANCE.normal(size=shape).astype(np.float32)


def number(value: float) -> np.ndarray:
    return np.array(value, dtype=np.float32)


#: Operator, further inputs, attributes, operator set. The first input has shape (batch, 3, 6, 6).
CASES: list[tuple[str, list[np.ndarray], dict, int]] = [
    *((name, [], {}, 20) for name in ("Abs", "Ceil", "Cos", "Erf", "Exp", "Floor", "HardSwish", "Identity")),
    *(
        (name, [], {}, 20)
        for name in ("Mish", "Neg", "Reciprocal", "Relu", "Round", "Sigmoid", "Sign", "Sin")
    ),
    *((name, [], {}, 20) for name in ("Softplus", "Softsign", "Tanh", "GlobalMaxPool", "GlobalAveragePool")),
    *(
        (name, [floats(3, 1, 1)], {}, 20)
        for name in ("Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean")
    ),
    ("Pow", [number(2.0)], {}, 15),
    ("MatMul", [floats(6, 5)], {}, 13),
    ("MatMul", [floats(1, 3, 6, 6)], {}, 13),
    ("Celu", [], {"alpha": 0.7}, 12),
    ("Elu", [], {"alpha": 0.7}, 13),
    ("Gelu", [], {}, 20),
    ("Gelu", [], {"approximate": "tanh"}, 20),
    ("HardSigmoid", [], {"alpha": 0.3, "beta": 0.4}, 13),
    ("LeakyRelu", [], {"alpha": 0.2}, 13),
    ("Selu", [], {}, 13),
    ("Softmax", [], {"axis": 1}, 13),
    ("Softmax", [], {"axis": 2}, 11),
    ("LogSoftmax", [], {}, 13),
    ("Dropout", [], {}, 13),
    ("Cast", [], {"to": TensorProto.INT32}, 13),
    ("CastLike", [np.array(1, dtype=np.int64)], {}, 15),
    ("Einsum", [floats(3, 4)], {"equation": "b c h w, c d -> b d h w"}, 12),
    ("LpNormalization", [], {"axis": 1, "p": 2}, 13),
    ("Transpose", [], {"perm": [0, 2, 3, 1]}, 13),
    ("Clip", [number(-0.3), number(0.4)], {}, 13),
    ("Clip", [], {"min": -0.3, "max": 0.4}, 6),
    ("Clip", [number(-0.3)], {}, 13),
    ("Reshape", [ints(0, -1)], {}, 13),
    ("Reshape", [ints(-1, 9, 12)], {}, 13),
    ("Flatten", [], {}, 13),
    ("Flatten", [], {"axis": -2}, 13),
    ("Squeeze", [ints(-1)], {}, 13),
    ("Unsqueeze", [ints(0, -1)], {}, 13),
    ("Unsqueeze", [], {"axes": [2]}, 11),
    ("Concat", [floats(2, 3, 6, 6)], {"axis": 1}, 13),
    ("Slice", [ints(1, 0), ints(5, 9), ints(2, 3), ints(2, 1)], {}, 13),
    ("Slice", [ints(-1), ints(-99), ints(3), ints(-2)], {}, 13),
    ("Slice", [ints(4), ints(1), ints(2), ints(-1)], {}, 13),
    ("Slice", [], {"starts": [1], "ends": [4], "axes": [2]}, 9),
    ("Gather", [ints(2, 0)], {"axis": 1}, 13),
    ("Gather", [np.array(-1, dtype=np.int64)], {"axis": 2}, 13),
    ("Gather", [ints(1, 2, 0, 1).reshape(2, 2)], {"axis": 3}, 13),
    ("Expand", [ints(4, 1, 1, 6, 6)], {}, 13),
    ("Tile", [ints(1, 2, 1, 3)], {}, 13),
    ("Pad", [ints(0, 0, 1, 2, 0, 0, 3, 0), number(0.5)], {}, 13),
    ("Pad", [ints(0, 0, 1, 2, 0, 0, 3, 0)], {"mode": "reflect"}, 13),
    ("Pad", [ints(0, 0, 1, 2, 0, 0, 3, 0)], {"mode": "edge"}, 13),
    ("Pad", [], {"pads": [0, 0, 1, 2, 0, 0, 3, 0], "value": 0.5}, 9),
    *((name, [ints(2, 3)], {}, 18) for name in ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1")),
    *((name, [ints(-1)], {"keepdims": 0}, 18) for name in ("ReduceL2", "ReduceSumSquare", "ReduceLogSumExp")),
    ("ReduceSum", [ints(1)], {}, 13),
    ("ReduceMean", [], {"axes": [1], "keepdims": 0}, 13),
    ("InstanceNormalization", [floats(3), floats(3)], {"epsilon": 0.01}, 6),
    ("BatchNormalization", [floats(3), floats(3), floats(3), floats(3) ** 2], {"epsilon": 0.01}, 15),
    ("LayerNormalization", [floats(6), floats(6)], {"epsilon": 0.01}, 17),
    ("LayerNormalization", [floats(6, 6), floats(6, 6)], {"axis": 2}, 17),
    ("GroupNormalization", [floats(3), floats(3)], {"num_groups": 3}, 21),
    ("PRelu", [floats(3, 1, 1)], {}, 16),
    ("PRelu", [floats(6)], {}, 16),
    ("PRelu", [floats(1)], {}, 16),
    (
        "Conv",
        [floats(4, 3, 3, 3), floats(4)],
        {"strides": [2, 1], "pads": [1, 0, 2, 1], "dilations": [2, 1]},
        11,
    ),
    ("Conv", [floats(6, 1, 3, 3)], {"group": 3, "strides": [2, 1], "auto_pad": "SAME_UPPER"}, 11),
    ("Conv", [floats(4, 3, 2, 2)], {"auto_pad": "SAME_LOWER", "strides": [2, 2]}, 11),
    ("MaxPool", [], {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1]}, 12),
    ("MaxPool", [], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}, 12),
    ("AveragePool", [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 0, 1]}, 11),
    ("AveragePool", [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1}, 11),
    ("Resize", [ints().astype(np.float32), np.array([1, 1, 2, 2], np.float32)], {"mode": "linear"}, 13),
    (
        "Resize",
        [ints().astype(np.float32), np.array([1, 1, 2, 2], np.float32)],
        {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        13,
    ),
    ("Upsample", [np.array([1, 1, 2, 2], np.float32)], {"mode": "nearest"}, 9),
    ("SpaceToDepth", [], {"blocksize": 2}, 13),
    *(
        (name, [], {"axis": axis, "keepdims": keep, "select_last_index": last}, 13)
        for name in ("ArgMax", "ArgMin")
        for axis, keep, last in ((1, 1, 0), (-1, 0, 1))
    ),
    ("CumSum", [np.array(2, dtype=np.int64)], {}, 14),
    ("CumSum", [np.array(-1, dtype=np.int64)], {"exclusive": 1, "reverse": 1}, 14),
    ("Mod", [floats(3, 1, 1)], {"fmod": 1}, 13),
    ("ReduceProd", [ints(2, 3)], {}, 18),
    ("ReduceProd", [ints(1)], {"keepdims": 0}, 18),
    ("RMSNormalization", [floats(6)], {"epsilon": 0.01}, 23),
    ("GatherElements", [ints(*range(-6, 210)).reshape(2, 3, 6, 6) % 3 - 1], {"axis": 1}, 13),
    ("Trilu", [], {}, 14),
    ("Trilu", [np.array(1, dtype=np.int64)], {"upper": 0}, 14),
    ("LRN", [], {"size": 3, "alpha": 0.3, "beta": 0.6, "bias": 1.5}, 13),
    ("LRN", [], {"size": 5}, 13),
    ("LpPool", [], {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1], "p": 3}, 18),
    ("LpPool", [], {"kernel_shape": [2, 2], "dilations": [2, 2], "ceil_mode": 1}, 18),
]


def model_of(
    nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], opset: int, channels: int = 3
) -> onnx.ModelProto:
    """Return a graph from x, shape (batch, channels, 6, 6), to y of any shape and type."""
    stored = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("batch", channels, SIDE, SIDE))]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "graph", inputs, [output], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def compare(model: onnx.ModelProto, images: torch.Tensor, *, tolerance: float = 1e-5) -> OnnxNetwork:
    """Assert that the converted graph has onnxruntime's output, and return it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    (expected,) = session.run(["y"], {"x": images.numpy()})
    network = OnnxNetwork(model, size=SIDE, fixed_batch=None, channels_last=False, file_bytes=0).eval()
    output = network(images)
    torch.testing.assert_close(
        output.detach().float(), torch.from_numpy(expected).float(), atol=tolerance, rtol=1e-5
    )
    return network


@pytest.mark.parametrize(
    ("operator", "weights", "attributes", "opset"),
    CASES,
    ids=[f"{operator}-{number}" for number, (operator, *_) in enumerate(CASES)],
)
def test_an_operator_equals_onnxruntimes(operator, weights, attributes, opset):
    names = [f"w{number}" if weight.size else "" for number, weight in enumerate(weights)]
    images = torch.from_numpy(CHANCE.normal(size=(2, 3, SIDE, SIDE)).astype(np.float32))
    nodes = [helper.make_node(operator, ["x", *names], ["z"], **attributes)]
    if operator == "Squeeze":
        nodes = [
            helper.make_node("ReduceMean", ["x"], ["m"], axes=[3]),
            helper.make_node("Squeeze", ["m", *names], ["z"]),
        ]
    # The output is a float, whatever type the operator returns.
    nodes.append(helper.make_node("Cast", ["z"], ["y"], to=TensorProto.FLOAT))
    stored = {name: weight for name, weight in zip(names, weights, strict=True) if name}
    compare(model_of(nodes, stored, opset), images)


def node(operator: str, inputs: str, output: str, **attributes) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), output.split(), **attributes)


GRAPHS: dict[str, tuple[list[onnx.NodeProto], dict[str, np.ndarray]]] = {
    "shape arithmetic": (
        [
            node("Shape", "x", "s"),
            node("Gather", "s zero", "b", axis=0),
            node("Unsqueeze", "b zeros", "bs"),
            node("Concat", "bs rest", "target", axis=0),
            node("Reshape", "x target", "y"),
        ],
        {"zero": np.array(0), "zeros": ints(0), "rest": ints(-1)},
    ),
    "logic": (
        [
            node("Greater", "x half", "g"),
            node("LessOrEqual", "x one", "l"),
            node("And", "g l", "a"),
            node("Not", "a", "n"),
            node("Or", "n g", "o"),
            node("Xor", "o a", "r"),
            node("Less", "x half", "less"),
            node("GreaterOrEqual", "x one", "ge"),
            node("Equal", "less ge", "e"),
            node("Or", "e r", "condition"),
            node("Where", "condition x half", "y"),
        ],
        {"half": number(0.5), "one": number(1.0)},
    ),
    "split": (
        [node("Split", "x sizes", "a b", axis=1), node("Concat", "b a", "y", axis=1)],
        {"sizes": ints(1, 2)},
    ),
    "constants": (
        [
            node(
                "ConstantOfShape",
                "shape",
                "filled",
                value=numpy_helper.from_array(np.array([2.0], np.float32)),
            ),
            node("Range", "zero six one", "steps"),
            node("Mul", "filled steps", "scaled"),
            node("Add", "x scaled", "added"),
            node("Size", "x", "size"),
            node("Cast", "size", "count", to=TensorProto.FLOAT),
            node("Div", "added count", "y"),
        ],
        {"shape": ints(6), "zero": number(0), "six": number(6), "one": number(1)},
    ),
    "gemm": (
        [node("Flatten", "x", "f"), node("Gemm", "f w c", "y", alpha=0.5, beta=2.0, transB=1)],
        {"w": floats(4, 108), "c": floats(4)},
    ),
    "gemm with a summand for each row": (
        [node("Flatten", "x", "f"), node("Gemm", "f w c", "y", alpha=0.5, beta=2.0, transB=1)],
        {"w": floats(2, 108), "c": floats(2, 1)},
    ),
    "gemm with one summand": (
        [node("Flatten", "x", "f"), node("Gemm", "f w c", "y", transB=1)],
        {"w": floats(4, 108), "c": floats(1, 1)},
    ),
    "gemm of computed matrices": (
        [node("Flatten", "x", "f"), node("Gemm", "f f", "y", transB=1)],
        {},
    ),
    "exponential": ([node("Exp", "x", "e"), node("Sqrt", "e", "s"), node("Log", "s", "y")], {}),
    "attention": (
        [
            node("Reshape", "x tokens", "t"),
            node("MatMul", "t wq", "q"),
            node("MatMul", "t wk", "k"),
            node("Transpose", "k", "kt", perm=[0, 2, 1]),
            node("MatMul", "q kt", "scores"),
            node("Softmax", "scores", "weights", axis=-1),
            node("MatMul", "weights t", "y"),
        ],
        {"tokens": ints(0, 9, 12), "wq": floats(12, 12), "wk": floats(12, 12)},
    ),
    "depth to space": (
        [
            node("SpaceToDepth", "x", "deep", blocksize=2),
            node("DepthToSpace", "deep", "first", blocksize=2, mode="CRD"),
            node("DepthToSpace", "deep", "second", blocksize=2, mode="DCR"),
            node("Sub", "first second", "y"),
        ],
        {},
    ),
    "largest": (
        [
            node("TopK", "x three", "a i", axis=2),
            node("TopK", "x two", "b j", largest=0, axis=2),
            node("Concat", "a b", "c", axis=2),
            node("Concat", "i j", "k", axis=2),
            node("Cast", "k", "f", to=TensorProto.FLOAT),
            node("Add", "c f", "y"),
        ],
        {"three": ints(3), "two": ints(2)},
    ),
    # As XCiT's positions: computed from the shape with floating-point constants, and added to features.
    "positions": (
        [
            node("Shape", "x", "s", start=2),
            node("ConstantOfShape", "s", "o", value=numpy_helper.from_array(np.ones(1, np.float32))),
            node("CumSum", "o axis", "places"),
            node("Div", "places periods", "angles"),
            node("Sin", "angles", "waves"),
            node("Add", "waves x", "y"),
        ],
        {"axis": np.array(0), "periods": np.arange(1, 7, dtype=np.float32)},
    ),
    "sizes by a factor": (
        [
            node("Shape", "x", "s"),
            node("Cast", "s", "f", to=TensorProto.FLOAT),
            node("Mul", "f factors", "m"),
            node("Floor", "m", "whole"),
            node("Cast", "whole", "sizes", to=TensorProto.INT64),
            node("Resize", "x none none sizes", "y", mode="linear"),
        ],
        {"factors": np.array([1, 1, 1.5, 0.5], np.float32), "none": np.zeros(0, np.float32)},
    ),
    "slopes that are computed": ([node("Abs", "x", "a"), node("PRelu", "x a", "y")], {}),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_equals_onnxruntimes(name):
    nodes, weights = GRAPHS[name]
    # The same images whichever tests run before.
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 3, SIDE, SIDE)).astype(np.float32))
    compare(model_of(nodes, weights, 16), images)


def test_slopes_of_channels_without_further_axes_are_of_channels():
    """MXNet's exporter wrote them so; onnxruntime refuses what does not broadcast."""
    slopes = floats(3)
    images = torch.from_numpy(CHANCE.normal(size=(2, 3, SIDE, SIDE)).astype(np.float32))
    model = model_of([node("PRelu", "x w", "y")], {"w": slopes}, 13)
    network = OnnxNetwork(model, size=SIDE, fixed_batch=None, channels_last=False, file_bytes=0).eval()
    expected = torch.where(images < 0, images * torch.from_numpy(slopes)[:, None, None], images)
    torch.testing.assert_close(network(images).detach(), expected)


def test_every_operator_is_tested():
    alone = {operator for operator, *_ in CASES}
    together = {one.op_type for nodes, _ in GRAPHS.values() for one in nodes}
    # Imported here, because the table is made with this module's models.
    from tests.recognition.loading.onnx_table import TABLE

    assert OPERATORS - {"Constant"} <= alone | together | {row.operator for row in TABLE}


def test_all_operators_without_a_converter_are_named():
    nodes = [node("Det", "x", "a"), node("NonZero", "a", "b"), node("Det", "b", "y")]
    with pytest.raises(InputError, match=r"no converter for the operators Det, NonZero; simplify it"):
        OnnxNetwork(model_of(nodes, {}, 13), size=SIDE, fixed_batch=None, channels_last=False, file_bytes=0)


def test_operators_of_other_domains_are_named_with_their_domain():
    made = helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")
    with pytest.raises(InputError, match=r"operators com\.microsoft\.Gelu; give the file from before"):
        OnnxNetwork(model_of([made], {}, 13), size=SIDE, fixed_batch=None, channels_last=False, file_bytes=0)


GIANTS: dict[str, tuple[list[onnx.NodeProto], dict[str, np.ndarray]]] = {
    "ConstantOfShape": (
        [node("ConstantOfShape", "s", "c"), node("Add", "x c", "y")],
        {"s": ints(2**31, 2**31)},
    ),
    "Expand": ([node("Expand", "x s", "e"), node("Relu", "e", "y")], {"s": ints(2**31, 1, 1, 1, 1)}),
    "Tile": ([node("Tile", "x s", "y")], {"s": ints(2**20, 2**10, 1, 1)}),
    "Pad": ([node("Pad", "x s", "y")], {"s": ints(0, 0, 2**30, 2**30, 0, 0, 0, 0)}),
    "Range": (
        [node("Range", "a b c", "r"), node("Add", "x r", "y")],
        {"a": ints(0)[0], "b": ints(2**40)[0], "c": ints(1)[0]},
    ),
    "Conv": ([node("Conv", "x w", "y", pads=[2**30, 2**30, 0, 0])], {"w": floats(4, 3, 1, 1)}),
    "MatMul": (
        [
            node("Reshape", "x s", "a"),
            node("MatMul", "a v", "y"),
        ],
        {"s": ints(-1, 1), "v": floats(1, 2**21)},
    ),
    "doubling": (
        [*(node("Concat", f"x{i} x{i}", f"x{i + 1}", axis=3) for i in range(40)), node("Relu", "x40", "y")],
        {},
    ),
}


@pytest.mark.parametrize("name", GIANTS)
def test_giant_tensors_are_refused_before_they_are_allocated(name):
    nodes, weights = GIANTS[name]
    nodes = [helper.make_node("Identity", ["x"], ["x0"]), *nodes]
    with pytest.raises(InputError, match=r"at most"):
        OnnxNetwork(
            model_of(nodes, weights, 13), size=SIDE, fixed_batch=None, channels_last=False, file_bytes=0
        )


def test_a_graph_with_too_many_operations_is_refused():
    nodes = [node("Conv", f"x{step} w", f"x{step + 1}", pads=[31, 31, 32, 32]) for step in range(400)]
    nodes = [helper.make_node("Identity", ["x"], ["x0"]), *nodes, node("Relu", "x400", "y")]
    model = model_of(nodes, {"w": np.zeros((3, 3, 64, 64), np.float32)}, 13)
    with pytest.raises(InputError, match=r"at most 1e\+12 operations"):
        OnnxNetwork(model, size=800, fixed_batch=None, channels_last=False, file_bytes=0)
