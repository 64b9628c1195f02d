"""What range of pixel values an ONNX graph takes, by the constants with which it begins.

Many files normalise their input themselves. What they subtract and divide by shows what they expect: a graph
that subtracts 127.5 takes 0 to 255, one that subtracts 0.5, or ImageNet's means, takes 0 to 1.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from recognition.loading.onnx_network import OnnxNetwork
from recognition.loading.onnx_operators.base import Node, integers
from recognition.loading.onnx_operators.quantisation import quantised_type

#: Ranges of pixel values, as presets and in words.
RANGES = {"zero-to-255": "0 to 255", "zero-to-one": "0 to 1", "insightface": "-1 to 1"}
#: Zero points, the input values that become 0, of graphs that take a range, by preset. Faces and natural
#: images have means of 0.4 to 0.5 of the range; (x + 1) / 2 has its zero point at -1.
_ZERO_POINTS = {"zero-to-255": (64.0, 192.0), "zero-to-one": (0.25, 0.75), "insightface": (-1.25, -0.75)}
#: Largest zero point of a graph that only scales its input.
_SMALL = 0.25
#: Largest factor of a graph that scales 0..255 down: 1/64 makes 4 of 255, ImageNet's makes 4.5 with its mean.
_DOWN = 1 / 64
#: Smallest factors of graphs that scale -1..1 and 0..1 up to pixel values.
_UP_SIGNED, _UP = 100.0, 200.0
#: Factors of ImageNet's standard deviations after (x + 1) / 2, and how much a factor may differ from them.
_IMAGENET = (0.5 / 0.229, 0.5 / 0.224, 0.5 / 0.225)
_TOLERANCE = 0.03
#: Operators that change a value by rounding alone, both together.
_QUANTISATION = ("QuantizeLinear", "DequantizeLinear")
#: Largest quantised value of an input that is at most 1, or 2.6 with ImageNet's mean and standard deviation.
_QUANTISED = 8.0
#: Largest residual of a bias explained by a mean that was folded into it, relative to the bias.
_FOLDED = 1e-2


@dataclass(frozen=True)
class Reading:
    """What a graph takes.

    Args:
        preset: The range that is assumed, a key of `RANGES`; None if the graph's constants say nothing.
        constants: The constants that show it, in words.
        others: Further ranges that the constants allow, keys of `RANGES`.
    """

    preset: str | None
    constants: str = ""
    others: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Affine:
    """A value of the graph that is `scale * x + offset` of the input x.

    Args:
        scale: One factor per channel.
        offset: One summand per channel.
        axis: The axis of the channels.
        operators: The operators that computed it, without those that only move values.
    """

    scale: Tensor
    offset: Tensor
    axis: int
    operators: tuple[str, ...] = ()

    def pick(self, indices: Any) -> "_Affine":
        return replace(self, scale=self.scale[indices], offset=self.offset[indices])

    def zero_point(self, value: Tensor | float = 0.0) -> float:
        """Return the input value, a mean over the channels, that becomes `value`."""
        return float(((value - self.offset) / self.scale).mean())


def read_range(
    network: OnnxNetwork, *, channels_last: bool, integer_input: bool, channels: int = 3
) -> Reading:
    """Return what range of pixel values a graph takes.

    Args:
        network: The converted graph.
        channels_last: Whether it takes images of shape (batch, h, w, 3).
        integer_input: Whether it declares an input of integers.
        channels: Number of channels that it takes.
    """
    if integer_input:
        return Reading("zero-to-255", "the graph takes integers")
    reading = _of_constants(network, channels_last=channels_last, channels=channels)
    return (_of_quantisation(network) or reading) if reading.preset is None else reading


def _of_quantisation(network: OnnxNetwork) -> Reading | None:
    """Return the range that a graph quantises its input in; None if it does not begin with that."""
    node, _, constants = next(network.operations())
    if node.operator != "QuantizeLinear" or constants[1] is None or constants[1].numel() != 1:
        return None
    given = constants[2] if len(constants) > 2 else None
    limits, scale = torch.iinfo(quantised_type(node, given)), float(constants[1])
    point = 0 if given is None else int(given)
    low, high = ((limit - point) * scale for limit in (limits.min, limits.max))
    words = f"it quantises its input from {low:.4g} to {high:.4g}"
    if high > _QUANTISED:
        return Reading("zero-to-255", words)
    return Reading("zero-to-one" if low > -_SMALL * high else "insightface", words)


def _of_constants(network: OnnxNetwork, *, channels_last: bool, channels: int) -> Reading:
    """Return the reading of the constants with which a graph begins."""
    ones = torch.ones(channels)
    known = {network.input_name: _Affine(ones, 0 * ones, 3 if channels_last else 1)}
    for node, layer, constants in network.operations():
        if not any(name in known for name in node.inputs):
            continue
        if isinstance(layer, nn.BatchNorm2d):
            return _of_batch_norm(known[node.inputs[0]], layer)
        outputs = _outputs(node, layer, constants, known)
        if outputs is None:
            value = next(known[name] for name in node.inputs if name in known)
            return _of_layer(value, layer)
        known.update(zip(node.outputs, outputs, strict=False))
    return Reading(None)


def _outputs(
    node: Node, layer: nn.Module | None, constants: list[Tensor | None], known: dict[str, _Affine]
) -> list[_Affine] | None:
    """Return the outputs of a node as affine functions of the input; None if they are not."""
    value = known.get(node.inputs[0])
    if node.operator == "Concat":
        return _concatenated([known.get(name) for name in node.inputs], node)
    if isinstance(layer, nn.Conv2d):
        return None if value is None else _of_diagonal(value, layer)
    if node.operator in ("Add", "Sub", "Mul", "Div"):
        return _of_arithmetic(node, constants, known)
    if value is None:
        return None
    # A value that is quantised and dequantised is nearly the same.
    if node.operator in ("Identity", "Cast", "CastLike", "Dropout", "Clip", *_QUANTISATION):
        return [value]
    if node.operator == "Neg":
        return [replace(value, scale=-value.scale, offset=-value.offset)]
    if node.operator == "Transpose":
        order = node.get("perm")
        return None if order is None else [replace(value, axis=list(order).index(value.axis))]
    return _of_channels(node, constants, value)


def _of_channels(node: Node, constants: list[Tensor | None], value: _Affine) -> list[_Affine] | None:
    """Return what Slice, Gather and Split take of the channels; None for other operators or axes."""
    given = [None if one is None else integers(one.reshape(-1)) for one in constants[1:]]
    if node.operator == "Gather" and given and given[0] and node.get("axis", 0) == value.axis:
        return [value.pick(given[0])] if constants[1] is not None and constants[1].ndim == 1 else None
    if node.operator == "Split" and node.get("axis", 0) == value.axis and given and given[0]:
        return [value.pick(part) for part in torch.arange(len(value.scale)).split(given[0])]
    if node.operator == "Slice" and len(given) >= 3 and given[0] and given[1] and given[2] == [value.axis]:
        step = given[3][0] if len(given) > 3 and given[3] else 1
        stop = given[1][0] if step > 0 or given[1][0] > -len(value.scale) - 1 else None
        return [value.pick(list(range(len(value.scale)))[slice(given[0][0], stop, step)])]
    return None


def _concatenated(parts: list[_Affine | None], node: Node) -> list[_Affine] | None:
    values = [part for part in parts if part is not None]
    if len(values) != len(parts) or any(part.axis != node.get("axis") for part in values):
        return None
    joined = replace(values[0], scale=torch.cat([part.scale for part in values]))
    operators = max((part.operators for part in values), key=len)
    return [replace(joined, offset=torch.cat([part.offset for part in values]), operators=operators)]


def _of_arithmetic(
    node: Node, constants: list[Tensor | None], known: dict[str, _Affine]
) -> list[_Affine] | None:
    number = next((place for place, name in enumerate(node.inputs) if name in known), 0)
    value, constant = known[node.inputs[number]], constants[1 - number]
    factors = None if constant is None else _per_channel(constant.float(), value)
    if factors is None or (node.operator == "Div" and number == 1):
        return None
    scale, offset = value.scale, value.offset
    if node.operator == "Add":
        offset = offset + factors
    elif node.operator == "Sub":
        sign = 1 - 2 * number
        scale, offset = sign * scale, sign * (offset - factors)
    else:
        factors = 1 / factors if node.operator == "Div" else factors
        scale, offset = scale * factors, offset * factors
    if not (scale.isfinite().all() and offset.isfinite().all() and scale.all()):
        return None
    return [replace(value, scale=scale, offset=offset, operators=(*value.operators, node.operator))]


def _per_channel(constant: Tensor, value: _Affine) -> Tensor | None:
    """Return a constant's mean for each channel; None if it does not broadcast over the channels."""
    if constant.numel() == 1:
        return constant.reshape(1).expand(len(value.scale))
    constant = constant.reshape(*[1] * (4 - constant.ndim), *constant.shape)
    if constant.ndim != 4 or constant.shape[value.axis] not in (1, len(value.scale)):
        return None
    means = constant.mean([axis for axis in range(4) if axis != value.axis])
    return means.expand(len(value.scale))


def _of_diagonal(value: _Affine, layer: nn.Conv2d) -> list[_Affine] | None:
    """Return what a convolution of single pixels, one channel to one, makes of a value; None for others."""
    weight = layer.weight.detach()
    if layer.kernel_size != (1, 1) or layer.stride != (1, 1) or weight.shape[0] != len(value.scale):
        return None
    if layer.groups == len(value.scale):
        sources, factors = list(range(layer.groups)), weight[:, 0, 0, 0]
    else:
        matrix = weight[:, :, 0, 0]
        if layer.groups != 1 or not bool(((matrix != 0).sum(1) == 1).all()):
            return None
        sources, factors = matrix.abs().argmax(1).tolist(), matrix.sum(1)
    picked = value.pick(sources)
    bias = 0.0 if layer.bias is None else layer.bias.detach()
    return [
        replace(
            picked,
            scale=picked.scale * factors,
            offset=picked.offset * factors + bias,
            operators=(*value.operators, "Conv"),
        )
    ]


def _of_batch_norm(value: _Affine, layer: nn.BatchNorm2d) -> Reading:
    """Return the reading of a graph that begins with a BatchNorm, whose mean is that of the images."""
    if layer.running_mean is None or len(layer.running_mean) != len(value.scale):
        return _decide(value, None, "")
    mean = value.zero_point(layer.running_mean)
    words = f"the mean of its first BatchNorm is at {mean:.4g}"
    return _decide(replace(value, operators=(*value.operators, "BatchNormalization")), mean, words)


def _of_layer(value: _Affine, layer: nn.Module | None) -> Reading:
    """Return the reading of a graph whose first other operator takes `value`."""
    mean = _folded_mean(layer, len(value.scale)) if isinstance(layer, nn.Conv2d) else None
    if mean is None:
        return _decide(value, None, "")
    zero = value.zero_point(mean)
    return _decide(
        replace(value, operators=(*value.operators, "Conv")),
        zero,
        f"the bias of its first convolution subtracts {zero:.4g}",
    )


def _folded_mean(layer: nn.Conv2d, channels: int) -> Tensor | None:
    """Return the means that were folded into a convolution's bias, one per channel; None if there are none.

    The bias is then the same combination of the channels' means for every output: minus the sum of its
    weights for a channel, times that channel's mean. A bias of anything else is not explained by that.
    """
    if layer.bias is None or layer.groups != 1 or layer.out_channels <= channels + 1:
        return None
    sums = -layer.weight.detach().double().sum((2, 3))
    bias = layer.bias.detach().double()
    if not bias.any():
        return None
    means = torch.linalg.lstsq(sums, bias[:, None], driver="gelsd").solution[:, 0]
    explained = (sums @ means - bias).norm() <= _FOLDED * bias.norm()
    return means.float() if bool(explained) else None


def _decide(value: _Affine, zero: float | None, words: str) -> Reading:
    """Return the range of an input that becomes `value`.

    Args:
        value: The first value that is not only scaled and shifted further.
        zero: The input value that the network takes for its mean; None takes that which becomes 0.
        words: How `zero` was found.
    """
    zero = value.zero_point() if zero is None else zero
    scale = float(value.scale.abs().mean())
    if not value.operators or (zero, scale) == (0, 1):
        return Reading(None)
    words = words or (
        f"it begins with {', '.join(value.operators)}, which make 0 of {zero:.4g} and scale by {scale:.4g}"
    )
    preset = next((name for name, (low, high) in _ZERO_POINTS.items() if low <= zero <= high), None)
    if preset is not None:
        return Reading(preset, words)
    if abs(zero) < _SMALL:
        return _of_scale(value.scale.abs(), scale, words, centred=zero == 0)
    if zero > 1:
        return Reading("zero-to-255", words)
    return Reading("insightface", words, ("zero-to-one",))


def _of_scale(scales: Tensor, scale: float, words: str, *, centred: bool) -> Reading:
    """Return the range of a graph whose zero point is at about 0, by the factor that it scales by."""
    if scale <= _DOWN:
        return Reading("zero-to-255", words)
    if scale >= _UP_SIGNED:
        return Reading("zero-to-one" if scale >= _UP else "insightface", words)
    imagenet = torch.tensor(_IMAGENET).to(scales)
    if not centred and len(scales) == len(imagenet):
        near = (scales / imagenet - 1).abs() <= _TOLERANCE
        if bool(near.all()):
            return Reading("insightface", words)
    return Reading("insightface", words, ("zero-to-one",))
