"""Which attributes of ONNX operators are implemented; others are refused, because they change results."""

from collections.abc import Sequence

from recognition.errors import InputError
from recognition.loading.onnx_operators.base import Node

_POOL = "auto_pad ceil_mode kernel_shape pads strides dilations"
#: Names of attributes by operator, separated by spaces; operators that are not listed have none.
IMPLEMENTED = {
    "AffineGrid": "align_corners",
    "ArgMax": "axis keepdims select_last_index",
    "ArgMin": "axis keepdims select_last_index",
    "AveragePool": f"{_POOL} count_include_pad",
    "BatchNormalization": "epsilon momentum spatial training_mode is_test",
    "Cast": "to saturate round_mode",
    "CastLike": "saturate round_mode",
    "Celu": "alpha",
    "Clip": "min max",
    "Concat": "axis",
    "Constant": "value value_float value_floats value_int value_ints",
    "ConstantOfShape": "value",
    "Conv": "auto_pad dilations group kernel_shape pads strides",
    "ConvTranspose": "auto_pad dilations group kernel_shape output_padding output_shape pads strides",
    "CumSum": "exclusive reverse",
    "DequantizeLinear": "axis block_size output_dtype",
    "DepthToSpace": "blocksize mode",
    "Dropout": "ratio seed is_test",
    "Einsum": "equation",
    "Elu": "alpha",
    "EyeLike": "dtype k",
    "Flatten": "axis",
    "Gather": "axis",
    "GatherElements": "axis",
    "GatherND": "batch_dims",
    "Gelu": "approximate",
    "Gemm": "alpha beta transA transB",
    "GlobalLpPool": "p",
    "GridSample": "align_corners mode padding_mode",
    "GroupNormalization": "epsilon num_groups stash_type",
    "Hardmax": "axis",
    "HardSigmoid": "alpha beta",
    "InstanceNormalization": "epsilon",
    "IsInf": "detect_negative detect_positive",
    "LayerNormalization": "axis epsilon stash_type",
    "LeakyRelu": "alpha",
    "LogSoftmax": "axis",
    "LpNormalization": "axis p",
    "LpPool": f"{_POOL} p",
    "LRN": "alpha beta bias size",
    # The order of storage is that of the second output, the indices.
    "MaxPool": f"{_POOL} storage_order",
    "MeanVarianceNormalization": "axes",
    "Mod": "fmod",
    "OneHot": "axis",
    "Pad": "mode pads value",
    # The precision is that of the division, which is float32 here.
    "QuantizeLinear": "axis block_size output_dtype precision saturate",
    "Reshape": "allowzero",
    "Resize": "antialias axes coordinate_transformation_mode cubic_coeff_a exclude_outside "
    "extrapolation_value keep_aspect_ratio_policy mode nearest_mode scales",
    "RMSNormalization": "axis epsilon stash_type",
    "ScatterElements": "axis reduction",
    "ScatterND": "reduction",
    "Selu": "alpha gamma",
    "Shape": "start end",
    "Shrink": "bias lambd",
    "Slice": "starts ends axes",
    "Softmax": "axis",
    "SpaceToDepth": "blocksize",
    "Split": "axis split num_outputs",
    "Squeeze": "axes",
    "Swish": "alpha",
    "ThresholdedRelu": "alpha",
    "TopK": "axis largest sorted",
    "Transpose": "perm",
    "Trilu": "upper",
    "Unsqueeze": "axes",
    "Upsample": "mode scales",
    **{
        f"Reduce{name}": "axes keepdims noop_with_empty_axes"
        for name in ("Mean", "Prod", "Sum", "Max", "Min", "L1", "L2", "SumSquare", "LogSum", "LogSumExp")
    },
}
_BY_OPERATOR = {operator: frozenset(names.split()) for operator, names in IMPLEMENTED.items()}
#: Attributes with the only value that is implemented, by operator.
_ONLY = {"BatchNormalization": {"training_mode": 0, "spatial": 1}}
#: Attributes whose numbers are counts or distances, which are 1 or more in every operator that has them.
_POSITIVE = (
    *("blocksize", "dilations", "group", "kernel_shape", "num_groups", "num_outputs", "p", "size"),
    "strides",
)


def check_attributes(node: Node) -> None:
    """Check that all attributes of a node are implemented.

    Raises:
        InputError: If one is not, or has a value that is not, or a count below 1.
    """
    unknown = sorted(node.attributes.keys() - _BY_OPERATOR.get(node.operator, frozenset()))
    if unknown:
        raise InputError(
            f"node {node.operator} {node.name!r}: no converter for its attributes {', '.join(unknown)}"
        )
    for name in _POSITIVE:
        value = node.get(name, 1)
        if min(value if isinstance(value, Sequence) else [value], default=1) < 1:
            raise InputError(
                f"node {node.operator} {node.name!r}: expected {name} of 1 or more, got {value}; get an "
                "intact copy"
            )
    for name, only in _ONLY.get(node.operator, {}).items():
        if node.get(name, only) != only:
            raise InputError(
                f"node {node.operator} {node.name!r}: expected {name} {only}, got {node.get(name)}"
            )
    if node.operator in ("MaxPool", "BatchNormalization") and any(node.outputs[1:]):
        raise InputError(f"node {node.operator} {node.name!r}: expected one output, got {len(node.outputs)}")
