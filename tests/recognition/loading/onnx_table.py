"""Operators over their attributes: the models that are compared with onnxruntime, generated from a table."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.recognition.loading.test_onnx_operators import SIDE, model_of

_CHANCE = np.random.default_rng(7)
#: The operator set of rows that do not say another one.
_OPSET = 20
#: Attributes that change nothing that is computed here, with the reason.
WITHOUT_EFFECT = {
    "BatchNormalization": {"momentum": "of training", "training_mode": "0 alone", "spatial": "1 alone"}
    | {"is_test": "of operator set 6"},
    "Cast": {"saturate": "of 8-bit floating point", "round_mode": "of 8-bit floating point"},
    "CastLike": {"saturate": "of 8-bit floating point", "round_mode": "of 8-bit floating point"},
    "Dropout": {"ratio": "of training", "seed": "of training", "is_test": "of operator set 6"},
    "GroupNormalization": {"stash_type": "precision of inner steps"},
    "LayerNormalization": {"stash_type": "precision of inner steps"},
    "RMSNormalization": {"stash_type": "precision of inner steps"},
    "MaxPool": {"storage_order": "of the indices, a second output"},
    "QuantizeLinear": {"saturate": "of 8-bit floating point", "precision": "of the division"},
    "DequantizeLinear": {"output_dtype": "of other floating-point types"},
    "Split": {"num_outputs": "the number of outputs says it"},
    "Constant": dict.fromkeys(
        ("value", "value_float", "value_floats", "value_int", "value_ints"), "tested with graphs"
    ),
}


def floats(*shape: int) -> np.ndarray:
    return _CHANCE.normal(size=shape).astype(np.float32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Row:
    """One operator with values of its attributes; all combinations of them are tested.

    Args:
        operator: The operator.
        attributes: Values by name; None leaves an attribute out.
        inputs: Further inputs after the images, shape (batch, 3, 6, 6); None leaves one out.
        opset: The operator set.
        before: Nodes that make the first input, `a`, of the images `x`.
        outputs: Number of outputs; those behind the first are added to it.
        tolerance: The largest difference.
    """

    operator: str
    attributes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    inputs: Sequence[np.ndarray | None] = ()
    opset: int = _OPSET
    before: Sequence[onnx.NodeProto] = ()
    outputs: int = 1
    tolerance: float = 1e-5

    def models(self) -> Iterator[tuple[dict[str, Any], onnx.ModelProto]]:
        """Yield the attributes of each combination, and its model."""
        for values in itertools.product(*self.attributes.values()):
            chosen = dict(zip(self.attributes, values, strict=True))
            given = {name: value for name, value in chosen.items() if value is not None}
            names = [f"w{number}" if one is not None else "" for number, one in enumerate(self.inputs)]
            stored = {
                name: one for name, one in zip(names, self.inputs, strict=True) if name and one is not None
            }
            first = "a" if self.before else "x"
            results = [f"o{number}" for number in range(self.outputs)]
            nodes = [*self.before, helper.make_node(self.operator, [first, *names], results, **given)]
            # The output is a float, whatever type the operator returns.
            floating = [f"f{number}" for number in range(self.outputs)]
            nodes += [
                helper.make_node("Cast", [result], [name], to=TensorProto.FLOAT)
                for result, name in zip(results, floating, strict=True)
            ]
            # An output of shape () or (n,) stays as it is.
            nodes.append(helper.make_node("Sum", floating, ["y"]))
            yield given, model_of(nodes, _CONSTANTS | stored, self.opset)


def _node(operator: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), output.split(), **attributes)


_AXES = (-3, -1, 0, 1, 2)
_POOL = {
    "kernel_shape": ((2, 2), (3, 2)),
    "strides": (None, (2, 3)),
    "dilations": (None, (2, 1)),
    "pads": (None, (1, 0, 1, 1)),
    "ceil_mode": (0, 1),
}
_AUTOMATIC = {
    "kernel_shape": ((3, 2),),
    "strides": (None, (2, 3)),
    "auto_pad": ("SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"),
}
#: Pooling of signals, (batch, channels, length).
_SIGNAL_POOL = {
    "kernel_shape": ((2,), (3,)),
    "strides": (None, (2,)),
    "dilations": (None, (2,)),
    "pads": (None, (0, 1)),
    "ceil_mode": (0, 1),
}
_SIGNAL_AUTOMATIC = {
    "kernel_shape": ((3,),),
    "strides": (None, (2,)),
    "auto_pad": ("SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET"),
}
_CONV = {
    "strides": (None, (2, 1)),
    "dilations": (None, (2, 1)),
    "pads": (None, (1, 0, 2, 1)),
}
_INTEGERS = _CHANCE.integers(-100, 100, (2, 3, SIDE, SIDE))
_PLACES = _CHANCE.permutation(2 * 3 * SIDE)[:5]
#: Different places of the first three axes, shape (5, 3).
_DIFFERENT = np.stack(np.unravel_index(_PLACES, (2, 3, SIDE)), 1)
#: Constants of the nodes before an operator, by name.
_CONSTANTS = {
    "zero": np.array(0, np.float32),
    "ten": np.array(10, np.float32),
    "one": ints(1),
    "six": ints(6),
    "affine": ints(2, 2, 3),
    "start": ints(0),
    "signal": ints(0, 3, 36),
    "cube": ints(0, 3, 4, 3, 3),
}
_AS_SIGNAL, _AS_CUBE = _node("Reshape", "x signal", "a"), _node("Reshape", "x cube", "a")
_INFINITE = [_node("Div", "x zero", "b"), _node("Div", "x b", "c"), _node("Sum", "b c", "a")]

TABLE: list[Row] = [
    Row("ConvTranspose", _CONV | {"output_padding": (None, (1, 0))}, [floats(3, 4, 3, 2), floats(4)]),
    Row("ConvTranspose", _CONV | {"group": (3,)}, [floats(3, 2, 3, 3)]),
    Row(
        "ConvTranspose",
        {"strides": ((2, 2), (2, 3)), "kernel_shape": ((3, 2),)}
        | {"auto_pad": ("SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET")},
        [floats(3, 2, 3, 2), floats(2)],
    ),
    Row(
        "ConvTranspose",
        {"strides": ((2, 2), (2, 3)), "output_shape": ((12, 12), (13, 14), (11, 13))}
        | {"auto_pad": ("SAME_UPPER", "SAME_LOWER", None), "output_padding": (None, (1, 1))},
        [floats(3, 2, 4, 3), None],
    ),
    Row("Conv", _CONV | {"kernel_shape": (None, (3, 2))}, [floats(4, 3, 3, 2), floats(4)]),
    Row("Conv", _CONV | {"group": (3,)}, [floats(6, 1, 3, 3)]),
    Row("Conv", _AUTOMATIC | {"dilations": (None, (1, 2))}, [floats(4, 3, 3, 2)]),
    *(Row(name, _POOL) for name in ("MaxPool", "LpPool")),
    Row("AveragePool", _POOL | {"count_include_pad": (0, 1)}),
    *(Row(name, _AUTOMATIC) for name in ("MaxPool", "AveragePool", "LpPool")),
    Row("LpPool", {"kernel_shape": ((2, 2),), "p": (1, 2, 3)}),
    *(Row(name, _SIGNAL_POOL, before=[_AS_SIGNAL]) for name in ("MaxPool", "LpPool")),
    Row("AveragePool", _SIGNAL_POOL | {"count_include_pad": (0, 1)}, before=[_AS_SIGNAL]),
    *(Row(name, _SIGNAL_AUTOMATIC, before=[_AS_SIGNAL]) for name in ("MaxPool", "AveragePool", "LpPool")),
    Row("GlobalLpPool", {"p": (None, 1, 3)}),
    *(
        Row(name, before=[before])
        for name in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
        for before in (_AS_SIGNAL, _AS_CUBE)
    ),
    Row("LRN", {"size": (1, 3, 5), "alpha": (None, 0.3), "beta": (None, 0.6), "bias": (None, 1.5)}),
    Row("QuantizeLinear", {"axis": (1, -3)}, [np.abs(floats(3)) / 9, np.array([0, 3, -7], np.int8)]),
    Row("QuantizeLinear", {}, [np.array(0.02, np.float32), np.array(128, np.uint8)]),
    Row("QuantizeLinear", {}, [np.array(0.01, np.float32), np.array(0, np.int8)]),
    Row("QuantizeLinear", {}, [np.array(0.02, np.float32)], opset=13),
    Row("QuantizeLinear", {"axis": (0,)}, [np.array([0.02, 0.3], np.float32), np.zeros(2, np.uint16)], 21),
    Row(
        "QuantizeLinear",
        {"output_dtype": (None, TensorProto.UINT8, TensorProto.INT8, TensorProto.INT16)},
        [np.array(0.02, np.float32)],
        21,
    ),
    Row(
        "QuantizeLinear",
        {"axis": (2,), "block_size": (2,)},
        [np.abs(floats(2, 3, 3, 6)) / 9, np.full((2, 3, 3, 6), 5, np.int8)],
        21,
    ),
    Row(
        "DequantizeLinear",
        {"axis": (1, -3)},
        [np.abs(floats(3)), np.array([0, 3, -7], np.int8)],
        before=[_node("Cast", "x", "a", to=TensorProto.INT8)],
    ),
    Row(
        "DequantizeLinear",
        {},
        [np.array(0.3, np.float32), np.array(3, np.uint8)],
        before=[_node("Abs", "x", "b"), _node("Cast", "b", "a", to=TensorProto.UINT8)],
    ),
    Row(
        "DequantizeLinear",
        {"axis": (2, -1), "block_size": (2, 3)},
        [np.abs(floats(2, 3, 3, 6))],
        21,
        before=[_node("Cast", "x", "a", to=TensorProto.INT8)],
    ),
    *(
        Row(
            name,
            {"axis": (*_AXES, None), "keepdims": (0, 1), "select_last_index": (0, 1)},
            before=[_node("Round", "x", "a")],
        )
        for name in ("ArgMax", "ArgMin")
    ),
    Row("TopK", {"axis": _AXES[:2], "largest": (0, 1), "sorted": (1,)}, [ints(2)], outputs=2),
    *(Row("CumSum", {"exclusive": (0, 1), "reverse": (0, 1)}, [ints(axis)[0]]) for axis in (-1, 1)),
    Row("Mod", {"fmod": (1,)}, [floats(3, 1, 1)]),
    Row(
        "Mod",
        {"fmod": (0, 1)},
        [_INTEGERS[:, :, :1] % 7 - 9],
        before=[_node("Mul", "x ten", "b"), _node("Cast", "b", "a", to=TensorProto.INT64)],
    ),
    Row("Gather", {"axis": _AXES}, [ints(0, -1, 1)]),
    *(Row("GatherElements", {"axis": (axis,)}, [_INTEGERS % 2 - 1]) for axis in _AXES),
    Row("GatherND", {"batch_dims": (0,)}, [_DIFFERENT.astype(np.int64)]),
    Row("GatherND", {"batch_dims": (0,)}, [ints(1, -1, 0, 2).reshape(2, 2)]),
    Row("GatherND", {"batch_dims": (1,)}, [ints(1, -1, 0, 2, 2, 3, 1, 1).reshape(2, 2, 2)]),
    Row("GatherND", {"batch_dims": (2,)}, [ints(*range(6)).reshape(2, 3, 1)]),
    Row(
        "ScatterElements",
        {"axis": (-1, 2, 1), "reduction": ("none",)},
        [np.array([[[[0, -1]], [[2, 1]]]]), floats(1, 2, 1, 2)],
    ),
    Row(
        "ScatterElements",
        {"axis": (-1, 2), "reduction": ("add", "mul", "max", "min")},
        [_INTEGERS[:, :, :4] % 6, floats(2, 3, 4, SIDE)],
    ),
    Row(
        "ScatterND",
        {"reduction": (None, "none", "add", "mul", "max", "min")},
        [_DIFFERENT.astype(np.int64), floats(5, SIDE)],
    ),
    Row(
        "ScatterND",
        {"reduction": ("add", "mul", "max", "min")},
        [ints(1, -1, 0, 2, 1, 2).reshape(3, 2), floats(3, SIDE, SIDE)],
    ),
    Row(
        "OneHot", {"axis": (-1, 0, 2, None)}, [ints(4), floats(2)], before=[_node("ArgMax", "x", "a", axis=2)]
    ),
    Row(
        "EyeLike",
        {"k": (None, -2, 1), "dtype": (None, TensorProto.INT64)},
        before=[_node("Flatten", "x", "a")],
    ),
    *(Row("Trilu", {"upper": (None, 0, 1)}, [ints(k)[0]]) for k in (-2, 0, 1)),
    *(
        Row(f"Reduce{name}", {"keepdims": (0, 1), "noop_with_empty_axes": (0, 1)}, [axes], 18)
        for name in ("Mean", "Prod", "Sum", "Max", "Min", "L1", "L2", "SumSquare", "LogSumExp")
        for axes in (ints(1), ints(-1, 2), None)
    ),
    *(
        Row(f"Reduce{name}", {"axes": ((1,), (2, -1)), "keepdims": (0, 1)}, opset=11)
        for name in ("Mean", "Prod", "Sum", "Max", "Min", "L1", "L2", "SumSquare", "LogSumExp")
    ),
    Row("ReduceLogSum", {"keepdims": (0, 1)}, [ints(1, 2)], 18, [_node("Abs", "x", "a")]),
    Row(
        "ReduceLogSum",
        {"axes": ((1,),), "noop_with_empty_axes": (None,)},
        opset=13,
        before=[_node("Abs", "x", "a")],
    ),
    Row("ReduceLogSum", {"noop_with_empty_axes": (0,)}, opset=18, before=[_node("Abs", "x", "a")]),
    *(
        Row(name, {"axis": (*_AXES, None)}, opset=opset)
        for name in ("Softmax", "LogSoftmax", "Hardmax")
        for opset in (11, 13)
    ),
    Row("LpNormalization", {"axis": _AXES, "p": (1, 2)}),
    Row("LayerNormalization", {"axis": (2, -2), "epsilon": (None, 0.1)}, [floats(6, 6), floats(6, 6)]),
    Row("RMSNormalization", {"axis": (3, -1), "epsilon": (None, 0.1)}, [floats(6)], 23),
    Row("GroupNormalization", {"num_groups": (1, 3), "epsilon": (None, 0.1)}, [floats(3), floats(3)], 21),
    Row("InstanceNormalization", {"epsilon": (None, 0.1)}, [floats(3), floats(3)]),
    Row("BatchNormalization", {"epsilon": (None, 0.1)}, [floats(3), floats(3), floats(3), floats(3) ** 2]),
    Row("MeanVarianceNormalization", {"axes": ((2, 3), (1, 2, 3))}),
    Row("Celu", {"alpha": (None, 2.0)}),
    Row("Elu", {"alpha": (None, 0.3)}),
    Row("HardSigmoid", {"alpha": (None, 0.7), "beta": (None, 0.1)}),
    Row("LeakyRelu", {"alpha": (None, -0.4)}),
    Row("Selu", {"alpha": (None, 1.2), "gamma": (None, 0.9)}),
    Row("Gelu", {"approximate": (None, "none", "tanh")}),
    Row("Shrink", {"lambd": (None, 0.2), "bias": (None, 0.3)}),
    Row("Swish", {"alpha": (None, 0.7)}, opset=24),
    Row("ThresholdedRelu", {"alpha": (None, 0.3)}),
    Row("IsInf", {"detect_negative": (0, 1), "detect_positive": (0, 1)}, [], _OPSET, _INFINITE),
    Row("IsNaN", {}, [], _OPSET, [_node("Sqrt", "x", "a")]),
    *(Row(name, before=[_node("Tanh", "x", "a")]) for name in ("Acos", "Asin", "Atanh")),
    *(Row(name) for name in ("Asinh", "Atan", "Cosh", "Sinh", "Tan")),
    Row("Acosh", before=[_node("Cosh", "x", "a")]),
    Row("Clip", {"min": (-0.3,), "max": (0.4,)}, opset=6),
    Row("Flatten", {"axis": (*_AXES, 4, None)}),
    Row("Transpose", {"perm": (None, (0, 2, 3, 1), (3, 1, 0, 2))}),
    Row("Concat", {"axis": (-1, 1)}, [floats(2, 3, 6, 6)]),
    Row("Squeeze", {"axes": ((1,), None)}, opset=11, before=[_node("ReduceMean", "x", "a", axes=[1])]),
    Row("Unsqueeze", {"axes": ((0,), (1, -1))}, opset=11),
    Row("Slice", {"starts": ((1,),), "ends": ((5,), (-1,)), "axes": ((2,), (-1,))}, opset=9),
    Row("Split", {"axis": (1, -1), "split": ((1, 1, 1), (2, 2, 2))}, opset=11, outputs=3),
    Row("Split", {"axis": (2, -1), "num_outputs": (2,)}, outputs=2),
    Row("Reshape", {"allowzero": (0, 1)}, [ints(2, -1)]),
    Row("Shape", {"start": (None, 1, -2), "end": (None, 3, -1)}),
    Row("Pad", {"mode": ("constant", "reflect", "edge")}, [ints(0, 0, 1, 2, 0, 0, 3, 0)]),
    Row("Pad", {"pads": ((0, 0, 1, 2, 0, 0, 3, 0),), "value": (None, 0.5)}, opset=9),
    Row("SpaceToDepth", {"blocksize": (2, 3)}),
    Row(
        "DepthToSpace",
        {"blocksize": (2,), "mode": (None, "DCR", "CRD")},
        before=[_node("SpaceToDepth", "x", "a", blocksize=2)],
    ),
    Row("Einsum", {"equation": ("bchw,cd->bdhw", "bchw , ce -> behw")}, [floats(3, 4)]),
    Row(
        "Gemm",
        {"alpha": (None, 0.5), "beta": (None, 2.0), "transB": (1,)},
        [floats(4, 108), floats(4)],
        before=[_node("Flatten", "x", "a")],
    ),
    Row("Gemm", {"transA": (1,), "transB": (0, 1)}, [floats(2, 2)], before=[_node("Flatten", "x", "a")]),
    Row("Cast", {"to": (TensorProto.INT32, TensorProto.BOOL, TensorProto.INT64)}),
    Row(
        "ConstantOfShape",
        {"value": (None, helper.make_tensor("v", TensorProto.FLOAT, [1], [3.0]))},
        before=[_node("Shape", "x", "a")],
    ),
    Row(
        "GridSample",
        {"mode": ("linear", "nearest", "cubic"), "padding_mode": ("zeros", "border", "reflection")}
        | {"align_corners": (0, 1)},
        [floats(2, 4, 5, 2) * 0.7],
        tolerance=1e-4,
    ),
    Row(
        "GridSample",
        {"mode": (None, "bilinear", "bicubic"), "align_corners": (None,)},
        [floats(2, 4, 5, 2) * 0.7],
        16,
        tolerance=1e-4,
    ),
    Row(
        "AffineGrid",
        {"align_corners": (0, 1)},
        [ints(2, 3, 4, 5)],
        before=[
            _node("Flatten", "x", "b"),
            _node("Slice", "b start six one", "c"),
            _node("Reshape", "c affine", "a"),
        ],
    ),
    Row("Resize", {"mode": ("linear",)}, [None, np.array([1, 1, 2, 2], np.float32)]),
    Row("Upsample", {"mode": ("nearest",), "scales": ((1.0, 1.0, 2.0, 2.0),)}, opset=7),
]
