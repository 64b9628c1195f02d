"""ONNX operators as torch functions, each `(node, *inputs) -> output or tuple of outputs`.

Source of their meaning: the ONNX operator specification, operator sets 7 to 23. Operators that have
weights are modules in onnx_layers.py.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from recognition.errors import InputError
from recognition.loading.limits import check_elements


@dataclass(frozen=True)
class Node:
    """One node of a graph.

    Args:
        attributes: by name, as Python values and tensors.
        opset: version of the operator set.
        outputs: names; an empty one is not wanted.
    """

    operator: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    opset: int

    def get(self, attribute: str, default: Any = None) -> Any:
        return self.attributes.get(attribute, default)


Function = Callable[..., Any]
#: By operator.
FUNCTIONS: dict[str, Function] = {}


def _operator(*names: str) -> Callable[[Function], Function]:
    def register(function: Function) -> Function:
        FUNCTIONS.update(dict.fromkeys(names, function))
        return function

    return register


#: ONNX's element types as torch's; floating point of any width is computed in float32.
_TYPES = {
    1: torch.float32,
    2: torch.uint8,
    3: torch.int8,
    5: torch.int16,
    6: torch.int32,
    7: torch.int64,
    9: torch.bool,
    10: torch.float32,
    11: torch.float32,
    16: torch.float32,
}


def torch_type(element_type: int) -> torch.dtype:
    """The torch dtype that a value of an ONNX element type is computed in.

    Raises:
        InputError: it is no plain number.
    """
    if element_type not in _TYPES:
        raise InputError(f"ONNX element type {element_type}: expected a plain number type")
    return _TYPES[element_type]


def integers(value: Any) -> list[int]:
    """The numbers of an integer tensor or attribute."""
    return [int(number) for number in (value.tolist() if isinstance(value, Tensor) else value)]


def _meet(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both on one device: numbers computed from shapes are on the CPU, and meet activations here."""
    if first.device != second.device:
        target = first.device if first.ndim >= second.ndim else second.device
        return first.to(target), second.to(target)
    return first, second


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Function:
    return lambda node, first, second: function(*_meet(first, second))


def _divide(first: Tensor, second: Tensor) -> Tensor:
    # ONNX divides integers towards zero.
    return torch.div(first, second, rounding_mode=None if first.is_floating_point() else "trunc")


def _power(first: Tensor, second: Tensor) -> Tensor:
    return torch.pow(first, second).to(first.dtype)


_BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Add": torch.add,
    "Sub": torch.sub,
    "Mul": torch.mul,
    "Div": _divide,
    "Pow": _power,
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "And": torch.logical_and,
    "Or": torch.logical_or,
    "Xor": torch.logical_xor,
    "MatMul": torch.matmul,
}
FUNCTIONS |= {name: _binary(function) for name, function in _BINARY.items()}


def _unary(function: Callable[[Tensor], Tensor]) -> Function:
    return lambda node, value: function(value)


_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "Abs": torch.abs,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "GlobalMaxPool": lambda value: value.amax((2, 3), keepdim=True),
    "GlobalAveragePool": lambda value: value.mean((2, 3), keepdim=True),
    "HardSwish": F.hardswish,
    "Identity": lambda value: value,
    "Log": torch.log,
    "Mish": F.mish,
    "Neg": torch.neg,
    "Not": torch.logical_not,
    "Reciprocal": torch.reciprocal,
    "Relu": torch.relu,
    "Round": torch.round,
    "Sigmoid": torch.sigmoid,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Size": lambda value: torch.tensor(value.numel()),
    "Softplus": F.softplus,
    "Softsign": F.softsign,
    "Sqrt": torch.sqrt,
    "Tanh": torch.tanh,
}
FUNCTIONS |= {name: _unary(function) for name, function in _UNARY.items()}

FUNCTIONS |= {
    "Celu": lambda node, value: F.celu(value, node.get("alpha", 1.0)),
    "Elu": lambda node, value: F.elu(value, node.get("alpha", 1.0)),
    "Gelu": lambda node, value: F.gelu(value, approximate=node.get("approximate", "none")),
    "HardSigmoid": lambda node, value: (node.get("alpha", 0.2) * value + node.get("beta", 0.5)).clamp(0, 1),
    "LeakyRelu": lambda node, value: F.leaky_relu(value, node.get("alpha", 0.01)),
    "Selu": lambda node, value: F.selu(value),
    "Shape": lambda node, value: torch.tensor(value.shape[node.get("start", 0) : node.get("end")]),
    "Softmax": lambda node, value: _softmax(node, value, F.softmax),
    "LogSoftmax": lambda node, value: _softmax(node, value, F.log_softmax),
    # In inference it hands its input on.
    "Dropout": lambda node, value, *_: (value, torch.ones_like(value, dtype=torch.bool)),
    "Max": lambda node, *values: _fold(torch.maximum, values),
    "Min": lambda node, *values: _fold(torch.minimum, values),
    "Sum": lambda node, *values: _fold(torch.add, values),
    "Mean": lambda node, *values: _fold(torch.add, values) / len(values),
    "Where": lambda node, condition, first, second: torch.where(
        _meet(condition, first)[0], *_meet(first, second)
    ),
    "Cast": lambda node, value: value.to(torch_type(node.get("to"))),
    "CastLike": lambda node, value, like: value.to(like.dtype),
    "Einsum": lambda node, *values: torch.einsum(node.get("equation").replace(" ", ""), *values),
    "LpNormalization": lambda node, value: F.normalize(value, node.get("p", 2), node.get("axis", -1)),
    "Transpose": lambda node, value: value.permute(node.get("perm") or tuple(reversed(range(value.ndim)))),
}


def _softmax(node: Node, value: Tensor, function: Callable[..., Tensor]) -> Tensor:
    if node.opset >= 13:
        return function(value, dim=node.get("axis", -1))
    # Before operator set 13 all axes from this one on are one.
    axis = node.get("axis", 1) % value.ndim
    return function(value.flatten(axis), dim=axis).reshape(value.shape)


def _fold(function: Callable[[Tensor, Tensor], Tensor], values: tuple[Tensor, ...]) -> Tensor:
    result = values[0]
    for value in values[1:]:
        result = function(*_meet(result, value))
    return result


@_operator("Clip")
def _clip(node: Node, value: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    least, most = node.get("min", low), node.get("max", high)
    for bound, limit in ((least, torch.maximum), (most, torch.minimum)):
        if bound is not None:
            value = limit(value, torch.as_tensor(bound, dtype=value.dtype, device=value.device))
    return value


@_operator("Reshape")
def _reshape(node: Node, value: Tensor, shape: Tensor) -> Tensor:
    sizes = integers(shape)
    if not node.get("allowzero", 0):
        sizes = [value.shape[place] if size == 0 else size for place, size in enumerate(sizes)]
    return value.reshape(sizes)


@_operator("Flatten")
def _flatten(node: Node, value: Tensor) -> Tensor:
    axis = node.get("axis", 1)
    axis += value.ndim if axis < 0 else 0
    return value.reshape(math.prod(value.shape[:axis]), -1)


@_operator("Squeeze")
def _squeeze(node: Node, value: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = node.get("axes") if axes is None else integers(axes)
    return value.squeeze() if chosen is None else value.squeeze(tuple(chosen))


@_operator("Unsqueeze")
def _unsqueeze(node: Node, value: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = integers(node.get("axes") if axes is None else axes)
    rank = value.ndim + len(chosen)
    for axis in sorted(axis % rank for axis in chosen):
        value = value.unsqueeze(axis)
    return value


@_operator("Concat")
def _concat(node: Node, *values: Tensor) -> Tensor:
    widest = max(values, key=lambda value: value.ndim and value.device.type != "cpu")
    return torch.cat([value.to(widest.device) for value in values], dim=node.get("axis"))


@_operator("Split")
def _split(node: Node, value: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    axis = node.get("axis", 0)
    given = node.get("split") if sizes is None else integers(sizes)
    if given is None:
        each = -(-value.shape[axis] // len(node.outputs))
        return value.split(each, dim=axis)
    return value.split(list(given), dim=axis)


@_operator("Slice")
def _slice(
    node: Node,
    value: Tensor,
    starts: Tensor | None = None,
    ends: Tensor | None = None,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    begin = integers(node.get("starts") if starts is None else starts)
    end = integers(node.get("ends") if ends is None else ends)
    given_axes = node.get("axes") if axes is None else integers(axes)
    along = range(len(begin)) if given_axes is None else given_axes
    strides = [1] * len(begin) if steps is None else integers(steps)
    for first, last, axis, step in zip(begin, end, along, strides, strict=True):
        size = value.shape[axis]
        if step > 0:
            index: list[slice] = [slice(None)] * value.ndim
            index[axis] = slice(first, last, step)
            value = value[tuple(index)]
        else:
            # torch does not step backwards; the places are listed instead.
            places = torch.tensor(list(range(size))[slice(first, last if last > -size - 1 else None, step)])
            value = value.index_select(axis, places.to(torch.int64).to(value.device))
    return value


@_operator("Gather")
def _gather(node: Node, value: Tensor, indices: Tensor) -> Tensor:
    axis = node.get("axis", 0) % value.ndim
    places = indices.to(value.device, torch.int64)
    places = torch.where(places < 0, places + value.shape[axis], places)
    taken = value.index_select(axis, places.reshape(-1))
    return taken.reshape([*value.shape[:axis], *indices.shape, *value.shape[axis + 1 :]])


@_operator("Expand")
def _expand(node: Node, value: Tensor, shape: Tensor) -> Tensor:
    target = torch.broadcast_shapes(value.shape, tuple(integers(shape)))
    check_elements(target, "Expand")
    return value.expand(target)


@_operator("Tile")
def _tile(node: Node, value: Tensor, repeats: Tensor) -> Tensor:
    times = integers(repeats)
    check_elements([size * time for size, time in zip(value.shape, times, strict=True)], "Tile")
    return value.repeat(times)


@_operator("ConstantOfShape")
def _constant_of_shape(node: Node, shape: Tensor) -> Tensor:
    sizes, value = integers(shape), node.get("value")
    check_elements(sizes, "ConstantOfShape")
    return torch.zeros(sizes) if value is None else value.reshape(()).expand(sizes).clone()


@_operator("Range")
def _range(node: Node, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    count = max(0, math.ceil((limit.item() - start.item()) / delta.item()))
    check_elements([count], "Range")
    return start + delta * torch.arange(count)


@_operator("Pad")
def _pad(
    node: Node,
    value: Tensor,
    pads: Tensor | None = None,
    fill: Tensor | None = None,
    axes: Tensor | None = None,
) -> Tensor:
    amounts = integers(node.get("pads") if pads is None else pads)
    chosen = range(value.ndim) if axes is None else [axis % value.ndim for axis in integers(axes)]
    before, after = [0] * value.ndim, [0] * value.ndim
    for place, axis in enumerate(chosen):
        before[axis], after[axis] = amounts[place], amounts[place + len(amounts) // 2]
    check_elements(
        [size + low + high for size, low, high in zip(value.shape, before, after, strict=True)], "Pad"
    )
    # torch lists the last axis first.
    pairs = [(before[axis], after[axis]) for axis in reversed(range(value.ndim))]
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}.get(
        node.get("mode", "constant")
    )
    if mode is None:
        raise InputError(f"Pad: expected constant, reflect or edge, got {node.get('mode')!r}")
    if mode != "constant":
        while pairs and pairs[-1] == (0, 0):
            pairs.pop()
        return F.pad(value, [number for pair in pairs for number in pair], mode)
    constant = float(node.get("value", 0.0) if fill is None else fill.item())
    return F.pad(value, [number for pair in pairs for number in pair], value=constant)


def _reduction(function: Callable[[Tensor, tuple[int, ...], bool], Tensor]) -> Function:
    def reduce(node: Node, value: Tensor, axes: Tensor | None = None) -> Tensor:
        chosen = node.get("axes") if axes is None else integers(axes)
        if not chosen:
            if node.get("noop_with_empty_axes", 0):
                return value
            chosen = range(value.ndim)
        return function(value, tuple(chosen), bool(node.get("keepdims", 1)))

    return reduce


FUNCTIONS |= {
    "ReduceMean": _reduction(lambda value, axes, keep: value.mean(axes, keepdim=keep)),
    "ReduceSum": _reduction(lambda value, axes, keep: value.sum(axes, keepdim=keep)),
    "ReduceMax": _reduction(lambda value, axes, keep: value.amax(axes, keepdim=keep)),
    "ReduceMin": _reduction(lambda value, axes, keep: value.amin(axes, keepdim=keep)),
    "ReduceL1": _reduction(lambda value, axes, keep: value.abs().sum(axes, keepdim=keep)),
    "ReduceL2": _reduction(lambda value, axes, keep: torch.linalg.vector_norm(value, dim=axes, keepdim=keep)),
    "ReduceSumSquare": _reduction(lambda value, axes, keep: value.square().sum(axes, keepdim=keep)),
    "ReduceLogSumExp": _reduction(lambda value, axes, keep: value.logsumexp(axes, keepdim=keep)),
}


@_operator("InstanceNormalization")
def _instance_norm(node: Node, value: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return F.instance_norm(value, weight=scale, bias=bias, eps=node.get("epsilon", 1e-5))


def pool_padding(node: Node, value: Tensor, kernel: list[int], stride: list[int]) -> list[int]:
    """Rows and columns to add, in torch's order: left, right, top, bottom."""
    dilation = node.get("dilations") or [1] * len(kernel)
    automatic = node.get("auto_pad", "NOTSET")
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        before, after = [], []
        for size, side, step, apart in zip(value.shape[2:], kernel, stride, dilation, strict=True):
            total = max(0, (-(-size // step) - 1) * step + (side - 1) * apart + 1 - size)
            small, large = total // 2, total - total // 2
            before.append(small if automatic == "SAME_UPPER" else large)
            after.append(large if automatic == "SAME_UPPER" else small)
    else:
        pads = list(node.get("pads") or [0] * 2 * len(kernel))
        before, after = pads[: len(kernel)], pads[len(kernel) :]
    padding: list[int] = []
    for low, high in zip(reversed(before), reversed(after), strict=True):
        padding += [low, high]
    sizes = [size + low + high for size, low, high in zip(value.shape[2:], before, after, strict=True)]
    check_elements([*value.shape[:2], *sizes], f"padding of {node.operator}")
    return padding


@_operator("MaxPool")
def _max_pool(node: Node, value: Tensor) -> Tensor:
    kernel = node.get("kernel_shape")
    stride = node.get("strides") or [1] * len(kernel)
    padding = pool_padding(node, value, kernel, stride)
    if any(padding):
        value = F.pad(value, padding, value=-math.inf)
    return F.max_pool2d(
        value, kernel, stride, 0, node.get("dilations") or 1, ceil_mode=bool(node.get("ceil_mode", 0))
    )


@_operator("AveragePool")
def _average_pool(node: Node, value: Tensor) -> Tensor:
    kernel = node.get("kernel_shape")
    stride = node.get("strides") or [1] * len(kernel)
    padding = pool_padding(node, value, kernel, stride)
    ceil = bool(node.get("ceil_mode", 0))
    if not any(padding):
        return F.avg_pool2d(value, kernel, stride, ceil_mode=ceil)
    sums = F.avg_pool2d(F.pad(value, padding), kernel, stride, ceil_mode=ceil)
    if node.get("count_include_pad", 0):
        return sums
    inside = F.pad(torch.ones_like(value[:1, :1]), padding)
    return sums / F.avg_pool2d(inside, kernel, stride, ceil_mode=ceil)


@_operator("Resize", "Upsample")
def _resize(
    node: Node,
    value: Tensor,
    roi: Tensor | None = None,
    scales: Tensor | None = None,
    sizes: Tensor | None = None,
) -> Tensor:
    if node.operator == "Upsample":
        scales = roi if roi is not None else torch.tensor(node.get("scales"))
    if sizes is not None and sizes.numel():
        target = integers(sizes)[2:]
    elif scales is not None:
        factors = scales.tolist()[2:]
        target = [int(size * factor) for size, factor in zip(value.shape[2:], factors, strict=True)]
    else:
        raise InputError("Resize: expected sizes or scales")
    check_elements([*value.shape[:2], *target], "Resize")
    mode, placed = node.get("mode", "nearest"), node.get("coordinate_transformation_mode", "half_pixel")
    if mode == "nearest":
        return F.interpolate(value, target, mode="nearest")
    known = {"linear": "bilinear", "cubic": "bicubic"}.get(mode)
    if known is None or placed not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        raise InputError(f"Resize: expected nearest, linear or cubic of pixel centres, got {mode}, {placed}")
    return F.interpolate(value, target, mode=known, align_corners=placed == "align_corners")


@_operator("DepthToSpace")
def _depth_to_space(node: Node, value: Tensor) -> Tensor:
    block = node.get("blocksize")
    if node.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(value, block)
    batch, channels, height, width = value.shape
    parts = value.reshape(batch, block, block, channels // block**2, height, width)
    return parts.permute(0, 3, 4, 1, 5, 2).reshape(batch, -1, height * block, width * block)


@_operator("SpaceToDepth")
def _space_to_depth(node: Node, value: Tensor) -> Tensor:
    block = node.get("blocksize")
    batch, channels, height, width = value.shape
    parts = value.reshape(batch, channels, height // block, block, width // block, block)
    return parts.permute(0, 3, 5, 1, 2, 4).reshape(batch, -1, height // block, width // block)
