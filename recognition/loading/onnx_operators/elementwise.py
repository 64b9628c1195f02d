"""Elementwise ONNX operators and reductions, as torch functions."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from recognition.loading.onnx_operators.base import Function, Node, integers, on_one_device, torch_type


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Function:
    return lambda node, first, second: function(*on_one_device(first, second))


def _divide(first: Tensor, second: Tensor) -> Tensor:
    # ONNX divides integers towards zero.
    return torch.div(first, second, rounding_mode=None if first.is_floating_point() else "trunc")


def _power(first: Tensor, second: Tensor) -> Tensor:
    return torch.pow(first, second).to(first.dtype)


#: Selu's constants, where a node has none. Source: the ONNX operator specification.
_SELU_ALPHA, _SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875
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


def _unary(function: Callable[[Tensor], Tensor]) -> Function:
    return lambda node, value: function(value)


_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "Abs": torch.abs,
    "Acos": torch.acos,
    "Acosh": torch.acosh,
    "Asin": torch.asin,
    "Asinh": torch.asinh,
    "Atan": torch.atan,
    "Atanh": torch.atanh,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Cosh": torch.cosh,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "HardSwish": F.hardswish,
    "Identity": lambda value: value,
    "IsNaN": torch.isnan,
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
    "Sinh": torch.sinh,
    "Softplus": F.softplus,
    "Softsign": F.softsign,
    "Sqrt": torch.sqrt,
    "Tan": torch.tan,
    "Tanh": torch.tanh,
}


def _softmax(node: Node, value: Tensor, function: Callable[..., Tensor]) -> Tensor:
    if node.opset >= 13:
        return function(value, dim=node.get("axis", -1))
    # Before operator set 13, softmax spans all axes from this one on.
    axis = node.get("axis", 1) % value.ndim
    return function(value.flatten(axis), dim=axis).reshape(value.shape)


def _fold(function: Callable[[Tensor, Tensor], Tensor], values: tuple[Tensor, ...]) -> Tensor:
    result = values[0]
    for value in values[1:]:
        result = function(*on_one_device(result, value))
    return result


def _clip(node: Node, value: Tensor, low: Tensor | None = None, high: Tensor | None = None) -> Tensor:
    least, most = node.get("min", low), node.get("max", high)
    for bound, limit in ((least, torch.maximum), (most, torch.minimum)):
        if bound is not None:
            value = limit(value, torch.as_tensor(bound, dtype=value.dtype, device=value.device))
    return value


def _selu(node: Node, value: Tensor) -> Tensor:
    alpha, gamma = node.get("alpha", _SELU_ALPHA), node.get("gamma", _SELU_GAMMA)
    return gamma * torch.where(value > 0, value, alpha * torch.expm1(value))


def _hardmax(node: Node, value: Tensor) -> Tensor:
    def largest(values: Tensor, dim: int) -> Tensor:
        return torch.zeros_like(values).scatter(dim, values.argmax(dim, keepdim=True), 1.0)

    return _softmax(node, value, largest)


def _is_infinite(node: Node, value: Tensor) -> Tensor:
    negative = torch.isneginf(value) & bool(node.get("detect_negative", 1))
    return negative | (torch.isposinf(value) & bool(node.get("detect_positive", 1)))


def _shrink(node: Node, value: Tensor) -> Tensor:
    threshold, bias = node.get("lambd", 0.5), node.get("bias", 0.0)
    shrunk = torch.where(value > threshold, value - bias, torch.zeros_like(value))
    return torch.where(value < -threshold, value + bias, shrunk)


def _thresholded(node: Node, value: Tensor) -> Tensor:
    return torch.where(value > node.get("alpha", 1.0), value, torch.zeros_like(value))


def _reduction(function: Callable[[Tensor, tuple[int, ...], bool], Tensor]) -> Function:
    def reduce(node: Node, value: Tensor, axes: Tensor | None = None) -> Tensor:
        chosen = node.get("axes") if axes is None else integers(axes)
        if not chosen:
            if node.get("noop_with_empty_axes", 0):
                # Nothing is reduced, and each value is what it would be alone, such as its absolute one.
                return function(value.unsqueeze(-1), (-1,), False)
            chosen = range(value.ndim)
        return function(value, tuple(chosen), bool(node.get("keepdims", 1)))

    return reduce


def _modulo(node: Node, first: Tensor, second: Tensor) -> Tensor:
    first, second = on_one_device(first, second)
    # With fmod the result has the sign of the dividend, as in C, otherwise that of the divisor.
    return torch.fmod(first, second) if node.get("fmod", 0) else torch.remainder(first, second)


def _arg(function: Callable[..., Tensor]) -> Function:
    def find(node: Node, value: Tensor) -> Tensor:
        axis = node.get("axis", 0)
        if node.get("select_last_index", 0):
            found = value.shape[axis] - 1 - function(value.flip(axis), dim=axis, keepdim=True)
        else:
            found = function(value, dim=axis, keepdim=True)
        return found if node.get("keepdims", 1) else found.squeeze(axis)

    return find


def _cumulated(node: Node, value: Tensor, axis: Tensor) -> Tensor:
    along = int(axis.item())
    value = value.flip(along) if node.get("reverse", 0) else value
    sums = value.cumsum(along)
    sums = sums - value if node.get("exclusive", 0) else sums
    return sums.flip(along) if node.get("reverse", 0) else sums


def _product(value: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    for axis in sorted((axis % value.ndim for axis in axes), reverse=True):
        value = value.prod(axis, keepdim=keep)
    return value


def _rms_norm(node: Node, value: Tensor, scale: Tensor) -> Tensor:
    axis = node.get("axis", -1) % value.ndim
    mean = value.square().mean(tuple(range(axis, value.ndim)), keepdim=True)
    return value * torch.rsqrt(mean + node.get("epsilon", 1e-5)) * scale


#: Functions by operator.
FUNCTIONS: dict[str, Function] = {
    **{name: _binary(function) for name, function in _BINARY.items()},
    **{name: _unary(function) for name, function in _UNARY.items()},
    "ArgMax": _arg(torch.argmax),
    "ArgMin": _arg(torch.argmin),
    "Clip": _clip,
    "Hardmax": _hardmax,
    "IsInf": _is_infinite,
    "Shrink": _shrink,
    "Swish": lambda node, value: value * torch.sigmoid(node.get("alpha", 1.0) * value),
    "ThresholdedRelu": _thresholded,
    "CumSum": _cumulated,
    "Mod": _modulo,
    "ReduceProd": _reduction(_product),
    "RMSNormalization": _rms_norm,
    "Celu": lambda node, value: F.celu(value, node.get("alpha", 1.0)),
    "Elu": lambda node, value: F.elu(value, node.get("alpha", 1.0)),
    "Gelu": lambda node, value: F.gelu(value, approximate=node.get("approximate", "none")),
    "HardSigmoid": lambda node, value: (node.get("alpha", 0.2) * value + node.get("beta", 0.5)).clamp(0, 1),
    "LeakyRelu": lambda node, value: F.leaky_relu(value, node.get("alpha", 0.01)),
    "Selu": _selu,
    "Softmax": lambda node, value: _softmax(node, value, F.softmax),
    "LogSoftmax": lambda node, value: _softmax(node, value, F.log_softmax),
    # Dropout changes nothing in inference.
    "Dropout": lambda node, value, *_: (value, torch.ones_like(value, dtype=torch.bool)),
    "Max": lambda node, *values: _fold(torch.maximum, values),
    "Min": lambda node, *values: _fold(torch.minimum, values),
    "Sum": lambda node, *values: _fold(torch.add, values),
    "Mean": lambda node, *values: _fold(torch.add, values) / len(values),
    "Where": lambda node, condition, first, second: torch.where(
        on_one_device(condition, first)[0], *on_one_device(first, second)
    ),
    "Cast": lambda node, value: value.to(torch_type(node.get("to"))),
    "CastLike": lambda node, value, like: value.to(like.dtype),
    "Einsum": lambda node, *values: torch.einsum(node.get("equation").replace(" ", ""), *values),
    "LpNormalization": lambda node, value: F.normalize(value, node.get("p", 2), node.get("axis", -1)),
    "ReduceMean": _reduction(lambda value, axes, keep: value.mean(axes, keepdim=keep)),
    "ReduceSum": _reduction(lambda value, axes, keep: value.sum(axes, keepdim=keep)),
    "ReduceLogSum": _reduction(lambda value, axes, keep: value.sum(axes, keepdim=keep).log()),
    "ReduceMax": _reduction(lambda value, axes, keep: value.amax(axes, keepdim=keep)),
    "ReduceMin": _reduction(lambda value, axes, keep: value.amin(axes, keepdim=keep)),
    "ReduceL1": _reduction(lambda value, axes, keep: value.abs().sum(axes, keepdim=keep)),
    "ReduceL2": _reduction(lambda value, axes, keep: torch.linalg.vector_norm(value, dim=axes, keepdim=keep)),
    "ReduceSumSquare": _reduction(lambda value, axes, keep: value.square().sum(axes, keepdim=keep)),
    "ReduceLogSumExp": _reduction(lambda value, axes, keep: value.logsumexp(axes, keepdim=keep)),
}
