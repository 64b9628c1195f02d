"""Values at the beginning of an ONNX graph that are still the image: scaled, shifted and moved.

Factor, summand and channel are followed for every position, by the operators' own functions, so that any
resizing, cropping or reordering is. What rounds or clamps a value is taken to leave it as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from recognition.loading.onnx_network import OnnxNetwork
from recognition.loading.onnx_operators.base import Node, integers
from recognition.loading.onnx_operators.quantisation import quantised_type

#: Operators that compute with constants.
ARITHMETIC = frozenset({"Add", "Sub", "Mul", "Div", "Sum", "Mean"})
#: Operators that move or average values, or average neighbours, and which of their inputs are values: the
#: first alone, or all.
_MOVES = dict.fromkeys(
    (
        *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Tile", "Split", "Slice"),
        *("Gather", "GatherElements", "GatherND", "DepthToSpace", "SpaceToDepth", "GridSample"),
        *("Resize", "Upsample", "AveragePool", "MaxPool"),
    ),
    (0,),
) | {"Concat": None, "ScatterND": (0, 2), "ScatterElements": (0, 2)}
#: Operators that leave a value nearly as it is, by rounding or not at all.
_KEEPS = frozenset({"Identity", "Cast", "CastLike", "Dropout", "Round", "Floor", "Ceil", "DequantizeLinear"})
#: Input values from here on are no limits.
_UNLIMITED = 1e6
#: Largest difference between the number of a channel and what interpolation makes of it.
_SAME = 0.01


@dataclass(frozen=True)
class Limits:
    """The input values that a graph lets through; None is no limit."""

    low: float | None
    high: float | None
    operator: str


@dataclass(frozen=True)
class Affine:
    """A value of the graph that is `scale * x + offset` of one input value x at each position.

    Args:
        scale: The factors, of the value's shape.
        offset: The summands, of the same shape.
        channel: The input's channel at each position, of the same shape.
        channels: Number of channels of the input.
        operators: The operators that computed it, without those that only move values.
        limits: What the first operator that clamps it lets through.
    """

    scale: Tensor
    offset: Tensor
    channel: Tensor
    channels: int
    operators: tuple[str, ...] = ()
    limits: Limits | None = None

    def of_channels(self, numbers: Tensor) -> Tensor:
        """Return the mean of numbers, which broadcast over the value, for each channel; NaN if unused."""
        numbers = numbers.expand_as(self.scale)
        valid = numbers.isfinite() & (self.scale != 0)
        return torch.stack(
            [numbers[valid & ((self.channel - one).abs() < _SAME)].mean() for one in range(self.channels)]
        )

    def zero_points(self, value: Tensor | float = 0.0) -> Tensor:
        """Return the input's value, for each channel, that becomes `value`."""
        return self.of_channels((value - self.offset) / self.scale)

    def scaled(self, factor: Tensor, summand: Tensor, operator: str) -> "Affine | None":
        """Return `factor * value + summand`; None if no position depends on the input."""
        scale, offset, channel = torch.broadcast_tensors(
            self.scale * factor, self.offset * factor + summand, self.channel
        )
        if not bool((scale.isfinite() & offset.isfinite() & (scale != 0)).any()):
            return None
        operators = (*self.operators, operator)
        return replace(self, scale=scale, offset=offset, channel=channel, operators=operators)


def whole_image(shape: Sequence[int], axis: int) -> Affine:
    """Return a graph's input, whose channels lie along an axis."""
    ones, channels = torch.ones(*shape), shape[axis]
    numbers = torch.arange(channels, dtype=torch.float32)
    numbers = numbers.reshape([-1 if one == axis else 1 for one in range(len(shape))])
    return Affine(ones, 0 * ones, numbers.expand_as(ones), channels)


def follow(
    network: OnnxNetwork,
    node: Node,
    layer: nn.Module | None,
    constants: Sequence[Tensor | None],
    known: dict[str, Affine],
) -> list[Affine] | None:
    """Return the outputs of a node as affine functions of the input; None if they are not.

    Args:
        network: The converted graph.
        node: The node.
        layer: Its layer, if it has weights.
        constants: Its constant inputs; None where one is computed from the images.
        known: The values that are affine functions of the input, by name.
    """
    value = known.get(node.inputs[0])
    if layer is not None:
        return None if value is None else _of_layer(node, layer, value)
    if node.operator in ARITHMETIC:
        return _of_arithmetic(node, constants, known)
    if node.operator in ("Min", "Max"):
        return _of_bounds(node, constants, known)
    if node.operator in _MOVES:
        return _moved(network, node, constants, known)
    return None if value is None else _of_one(node, constants, value)


def _of_one(node: Node, constants: Sequence[Tensor | None], value: Affine) -> list[Affine] | None:
    """Return the output of a node that takes one value, beside constants."""
    if node.operator in _KEEPS:
        return [value]
    if node.operator == "Clip":
        bounds = [constants[place] if len(constants) > place else None for place in (1, 2)]
        if any(
            bound is None and any(node.inputs[place : place + 1]) for place, bound in enumerate(bounds, 1)
        ):
            return None
        return [_limited(value, node.get("min", bounds[0]), node.get("max", bounds[1]), node.operator)]
    if node.operator == "QuantizeLinear":
        return [_quantised(node, constants, value)]
    if node.operator == "Neg":
        return _listed(value.scaled(torch.tensor(-1.0), torch.tensor(0.0), node.operator))
    return _padded(node, constants, value) if node.operator == "Pad" else None


def _listed(value: Affine | None) -> list[Affine] | None:
    return None if value is None else [value]


def _moved(
    network: OnnxNetwork, node: Node, constants: Sequence[Tensor | None], known: dict[str, Affine]
) -> list[Affine] | None:
    places = _MOVES[node.operator] or range(len(node.inputs))
    values = {place: known.get(node.inputs[place]) for place in places}
    others = [place for place, name in enumerate(node.inputs) if name and place not in values]
    if None in values.values() or any(constants[place] is None for place in others):
        return None
    if node.get("reduction", "none") != "none":
        return None
    given = [one for one in values.values() if one is not None]
    parts = []
    for name in ("scale", "offset", "channel"):
        inputs = [
            constants[place] if values.get(place) is None else getattr(values[place], name)
            for place in range(len(node.inputs))
        ]
        parts.append(network.compute(node, inputs))
    longest = max(given, key=lambda one: len(one.operators))
    return [
        replace(longest, scale=scale, offset=offset, channel=channel)
        for scale, offset, channel in zip(*parts, strict=True)
    ]


def _padded(node: Node, constants: Sequence[Tensor | None], value: Affine) -> list[Affine] | None:
    """Return a padded value, as if by its nearest values: the padding says nothing of the input."""
    given = [None if one is None else integers(one.reshape(-1)) for one in constants]
    amounts = node.get("pads") or (given[1] if len(given) > 1 else None)
    if amounts is None:
        return None
    axes = given[3] if len(given) > 3 and given[3] is not None else range(value.scale.ndim)
    parts = [value.scale, value.offset, value.channel]
    for place, axis in enumerate(axes):
        size = value.scale.shape[axis]
        chosen = torch.arange(-amounts[place], size + amounts[place + len(amounts) // 2]).clamp(0, size - 1)
        parts = [part.index_select(axis, chosen) for part in parts]
    return [replace(value, scale=parts[0], offset=parts[1], channel=parts[2])]


def _of_arithmetic(
    node: Node, constants: Sequence[Tensor | None], known: dict[str, Affine]
) -> list[Affine] | None:
    values = [known.get(name, constant) for name, constant in zip(node.inputs, constants, strict=True)]
    if any(value is None for value in values):
        return None
    operator = {"Sum": "Add", "Mean": "Add"}.get(node.operator, node.operator)
    result = values[0]
    for value in values[1:]:
        result = _combined(operator, result, value)
        if result is None:
            return None
    if node.operator == "Mean" and isinstance(result, Affine):
        result = result.scaled(torch.tensor(1 / len(values)), torch.tensor(0.0), node.operator)
    return [result] if isinstance(result, Affine) else None


def _combined(
    operator: str, first: Affine | Tensor | None, second: Affine | Tensor | None
) -> Affine | Tensor | None:
    """Return the result of Add, Sub, Mul or Div; None if it is no affine function of one input value."""
    one, zero = torch.tensor(1.0), torch.tensor(0.0)
    if isinstance(first, Affine) and isinstance(second, Affine):
        sign = {"Add": 1.0, "Sub": -1.0}.get(operator)
        if sign is None or first.scale.shape != second.scale.shape:
            return None
        if bool(((first.channel - second.channel).abs() >= _SAME).any()):
            return None
        whole = replace(first, scale=first.scale + sign * second.scale)
        return replace(whole, offset=first.offset + sign * second.offset).scaled(one, zero, operator)
    if isinstance(first, Affine) and isinstance(second, Tensor):
        number = second.float()
        if operator in ("Add", "Sub"):
            return first.scaled(one, number if operator == "Add" else -number, operator)
        return first.scaled(number if operator == "Mul" else 1 / number, zero, operator)
    if isinstance(first, Tensor) and isinstance(second, Affine):
        if operator == "Div":
            return None
        return (
            second.scaled(-one, first.float(), operator)
            if operator == "Sub"
            else _combined(operator, second, first)
        )
    return first + second if isinstance(first, Tensor) and isinstance(second, Tensor) else None


def _of_bounds(
    node: Node, constants: Sequence[Tensor | None], known: dict[str, Affine]
) -> list[Affine] | None:
    values = [known[name] for name in node.inputs if name in known]
    bounds = [constant for constant in constants if constant is not None]
    if len(values) != 1 or len(bounds) + 1 != len(node.inputs):
        return None
    bound = max(bounds, key=lambda one: one.numel())
    low, high = (bound, None) if node.operator == "Max" else (None, bound)
    return [_limited(values[0], low, high, node.operator)]


def _limited(value: Affine, low: Tensor | float | None, high: Tensor | float | None, operator: str) -> Affine:
    """Return a value that is clamped, with the limits of the input, unless earlier ones are known."""
    if value.limits is not None:
        return value
    found: list[float | None] = []
    for bound in (low, high):
        number = torch.inf if bound is None else float(torch.as_tensor(bound).float().mean())
        limit = float(value.zero_points(number).nanmean())
        found.append(limit if abs(limit) < _UNLIMITED else None)
    if float(value.of_channels(value.scale).nanmean()) < 0:
        found = found[::-1]
    return replace(value, limits=Limits(found[0], found[1], operator))


def _quantised(node: Node, constants: Sequence[Tensor | None], value: Affine) -> Affine:
    scale, point = constants[1], constants[2] if len(constants) > 2 else None
    if scale is None or scale.numel() != 1:
        return value
    limits = torch.iinfo(quantised_type(node, point))
    zero = 0 if point is None else int(point)
    low, high = ((limit - zero) * float(scale) for limit in (limits.min, limits.max))
    return _limited(value, low, high, node.operator)


def _of_layer(node: Node, layer: nn.Module, value: Affine) -> list[Affine] | None:
    """Return what a layer makes of a value, if each of its outputs is one channel's, scaled and shifted."""
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        mean, variance = layer.running_mean, layer.running_var
        if mean is None or variance is None or value.scale.ndim < 2:
            return None
        factor = layer.weight.detach() * (variance + layer.eps).rsqrt()
        summand = layer.bias.detach() - mean * factor
        rest = [1] * (value.scale.ndim - 2)
        return _listed(value.scaled(factor.reshape(-1, *rest), summand.reshape(-1, *rest), node.operator))
    if isinstance(layer, nn.Linear):
        return _of_matrix(node, value, layer.weight, layer.bias, value.scale.ndim - 1)
    if not isinstance(layer, nn.Conv2d) or any(node.get("pads") or ()):
        return None
    if layer.kernel_size != (1, 1) or layer.stride != (1, 1):
        return None
    if layer.groups == 1:
        return _of_matrix(node, value, layer.weight[:, :, 0, 0], layer.bias, 1)
    if layer.groups != layer.in_channels or layer.out_channels != layer.in_channels:
        return None
    return _of_matrix(node, value, layer.weight[:, 0, 0, 0].diag(), layer.bias, 1)


def _of_matrix(
    node: Node, value: Affine, matrix: Tensor, bias: Tensor | None, axis: int
) -> list[Affine] | None:
    """Return the product of a matrix and an axis of a value; None if a row has not exactly one factor."""
    used = matrix.detach() != 0
    if matrix.shape[0] != matrix.shape[1] or not bool((used.sum(1) == 1).all()):
        return None
    sources = used.int().argmax(1)
    shape = [-1 if one == axis else 1 for one in range(value.scale.ndim)]
    summand = torch.zeros(1) if bias is None else bias.detach()
    picked = replace(
        value,
        scale=value.scale.index_select(axis, sources),
        offset=value.offset.index_select(axis, sources),
        channel=value.channel.index_select(axis, sources),
    )
    return _listed(
        picked.scaled(matrix.detach().sum(1).reshape(shape), summand.reshape(shape), node.operator)
    )
