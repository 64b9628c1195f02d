"""What pixel values and which channel order an ONNX graph takes, by the constants with which it begins.

Many files normalise their input themselves. What they subtract and divide by shows what they expect: a graph
that subtracts 127.5 takes 0 to 255, one that subtracts 0.5, or ImageNet's means, takes 0 to 1. Natural images
have more red than blue, so that means that rise from the first channel to the last are of BGR.
"""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Literal, TypeGuard

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition.errors import InputError, one_line
from recognition.loading.onnx_affine import ARITHMETIC, Affine, follow, whole_image
from recognition.loading.onnx_network import OnnxNetwork
from recognition.loading.onnx_operators.base import Node
from recognition.loading.presets import PRESETS

#: Ranges of pixel values, as presets and in words.
RANGES = {
    "zero-to-255": "0 to 255",
    "zero-to-one": "0 to 1",
    "insightface": "-1 to 1",
    "imagenet": "0 to 1 less ImageNet's means, divided by its standard deviations",
}
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
#: Largest value let through of an input of at most 1, or 2.6 with ImageNet's mean and standard deviation.
_LIMIT = 8.0
#: Largest zero point and smallest difference of scale to 1 of a value that is the input itself.
_UNCHANGED = 1e-3
#: Means of red, green and blue that projects subtract, of images in 0..1: ImageNet's, VGGFace2's
#: (ox-vgg/vgg_face2) and VGGFace's (Parkhi et al., BMVC 2015); how much one may differ from them.
_MEANS = ((0.485, 0.456, 0.406), (0.5141, 0.4074, 0.3588), (0.5066, 0.4108, 0.367))
_NEAR = 0.01
#: Smallest difference of the first channel's mean to the last one's that shows an order, of images in 0..1.
_ORDERED = 0.02
#: What images in 0..1 are multiplied by, and what is then added, for each range.
_FROM_UNIT = {"insightface": (2, -1), "zero-to-one": (1, 0), "zero-to-255": (255, 0)}
#: Smallest cosine similarity of an image's embeddings in all ranges where the range does not matter.
_SAME = 0.999
#: Largest residual of a bias explained by a mean that was folded into it, relative to the bias.
_FOLDED = 1e-2


@dataclass(frozen=True)
class Reading:
    """What a graph takes.

    Args:
        preset: The range that is assumed, a key of `RANGES`; None if the graph's constants say nothing.
        constants: What shows it, in words.
        others: Further values of `--preset` that the constants allow.
        channels: The order of the channels that is assumed.
        followed: Whether the constants were read; False where an operator stands before them that was not
            followed.
    """

    preset: str | None
    constants: str = ""
    others: tuple[str, ...] = ()
    channels: Literal["RGB", "BGR"] = "RGB"
    followed: bool = True

    @property
    def text(self) -> str:
        """The assumed reading as a value of `--preset`."""
        return _preset_text(self.preset or "insightface", self.channels)


def in_words(preset: str) -> str:
    """Return a reading's value of `--preset` as a range and an order of channels."""
    name, _, order = preset.partition(",channels=")
    return f"{RANGES[name]} {order}".strip()


def _preset_text(preset: str, channels: str) -> str:
    return preset if channels == "RGB" else f"{preset},channels={channels}"


@dataclass(frozen=True)
class _Lost:
    """A value that depends on the images and was not followed.

    Args:
        value: The last value before it that was.
        operator: The operator that was not followed.
        constants: Whether it was computed with constants behind that operator.
    """

    value: Affine
    operator: str
    constants: bool = False


#: A reading, and the input's values that the graph takes for the means of the channels, where it shows them.
_Read = tuple[Reading, Tensor | None]


def read_range(network: OnnxNetwork, *, channels_last: bool, integer_input: bool) -> Reading:
    """Return what range of pixel values a graph takes, and in what order of channels.

    Args:
        network: The converted graph.
        channels_last: Whether it takes images of shape (batch, h, w, 3).
        integer_input: Whether it declares an input of integers.
    """
    channels, *sides = network.image_shape
    shape, axis = ((2, *sides, channels), 3) if channels_last else ((2, channels, *sides), 1)
    with torch.no_grad():
        try:
            reading, zero_points = _of_constants(network, whole_image(shape, axis))
        except InputError:
            raise
        except Exception as error:
            # torch raises many types on indices that a graph does not have, which the trace does not check.
            words = f"its beginning could not be computed ({one_line(error)})"
            reading, zero_points = Reading("insightface", words, tuple(_FROM_UNIT)[1:], followed=False), None
        if integer_input:
            reading = Reading("zero-to-255", "the graph takes integers")
        elif not reading.followed:
            reading = _tried(network, reading)
    return _ordered(reading, zero_points)


def _tried(network: OnnxNetwork, reading: Reading) -> Reading:
    """Return the reading of a graph that was not followed, by its embeddings of images in every range."""
    images = torch.rand(2, *network.image_shape, generator=torch.Generator().manual_seed(0))
    found = {}
    for name, (factor, summand) in _FROM_UNIT.items():
        try:
            embeddings = F.normalize(network(factor * images + summand).flatten(1))
        except Exception:
            # torch raises many types; what does not run is said where the network is first used.
            return reading
        if bool(embeddings.isfinite().all()):
            found[name] = embeddings
    if len(found) == len(_FROM_UNIT):
        first, *others = found.values()
        if all(bool(((first * other).sum(1) >= _SAME).all()) for other in others):
            words = "the graph normalises each image by itself, so that the range does not matter"
            return Reading(None, words)
    if reading.preset is None and ("insightface" in found or not found):
        return Reading(None)
    # A root or a logarithm has no values of negative pixels.
    kept = tuple(found or _FROM_UNIT)
    return replace(reading, preset=kept[0], others=kept[1:])


def _ordered(reading: Reading, zero_points: Tensor | None) -> Reading:
    """Return a reading with the order of channels that the means show, or both where they leave it open."""
    if reading.preset in (None, "imagenet") or zero_points is None or len(zero_points) != 3:
        return reading
    means = zero_points / 255 if reading.preset == "zero-to-255" else zero_points
    means = (means + 1) / 2 if reading.preset == "insightface" else means
    first, _, last = (float(mean) for mean in means)
    if not first < last - _ORDERED:
        return reading
    known = any(bool(((means.flip(0) - torch.tensor(one)).abs() <= _NEAR).all()) for one in _MEANS)
    rising = bool((means.diff() > 0).all())
    if not known and not rising:
        return reading
    listed = "/".join(f"{mean:.4g}" for mean in zero_points)
    words = f"{reading.constants}, with means of {listed} in the order of BGR"
    others = tuple(_preset_text(other, "BGR") for other in reading.others)
    others = others if known else (reading.preset, *others)
    return replace(reading, constants=words, others=others, channels="BGR")


def _of_constants(network: OnnxNetwork, image: Affine) -> _Read:
    """Return the reading of the constants with which a graph begins.

    Several layers may take the image, as where one finds its pose: the first that constants stand before
    decides.
    """
    steps = list(network.operations())
    uses = Counter(name for node, *_ in steps for name in set(node.inputs))
    known: dict[str, Affine | _Lost] = {network.input_name: image}
    found: list[_Read] = []
    for node, layer, constants in steps:
        values = [known[name] for name in node.inputs if name in known]
        if values and node.operator not in ("Shape", "Size"):
            result = _step(network, node, layer, constants, known)
            if isinstance(result, tuple):
                found.append(result)
            else:
                known.update(zip(node.outputs, result, strict=False))
        for name in set(node.inputs):
            uses[name] -= 1
            if not uses[name]:
                # As large as the activations, of which there may be many.
                known.pop(name, None)
    found += [_of_value(value) for value in known.values()]
    informative = [read for read in found if read[0].preset is not None]
    return next(iter(sorted(informative, key=lambda read: not read[0].followed) or found))


def _step(
    network: OnnxNetwork,
    node: Node,
    layer: nn.Module | None,
    constants: list[Tensor | None],
    known: dict[str, Affine | _Lost],
) -> list[Affine] | list[_Lost] | _Read:
    """Return the outputs of a node that takes known values, or the reading if it is a layer with weights."""
    given = {name: known[name] for name in node.inputs if name in known}
    gone = [value for value in given.values() if isinstance(value, _Lost)]
    values = {name: value for name, value in given.items() if isinstance(value, Affine)}
    first = next(iter(values.values()), None)
    if first is not None and _has_means(layer):
        return _of_batch_norm(first, layer)
    outputs = None if gone else follow(network, node, layer, constants, values)
    if outputs is not None:
        return outputs
    if layer is not None and first is not None:
        return _of_layer(first, layer)
    if layer is not None and not isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        return _of_lost(gone[0])
    lost = _not_followed(node, constants, first, gone)
    return [lost] * len(node.outputs)


def _of_value(value: Affine | _Lost) -> _Read:
    """Return the reading of a value that no layer takes."""
    return _of_lost(value) if isinstance(value, _Lost) else _decide(value, None, "")


def _not_followed(
    node: Node, constants: list[Tensor | None], value: Affine | None, gone: list[_Lost]
) -> _Lost:
    computes = node.operator == "BatchNormalization" or (
        node.operator in ARITHMETIC and any(one is not None and one.is_floating_point() for one in constants)
    )
    if gone:
        return replace(gone[0], constants=computes or any(one.constants for one in gone))
    assert value is not None  # noqa: S101 - the node takes one or the other
    return _Lost(value, node.operator, computes)


def _of_lost(lost: _Lost) -> _Read:
    """Return the reading of a graph whose beginning was not followed to its first layer with weights."""
    reading, zero_points = _decide(lost.value, None, "")
    if reading.preset is not None:
        return reading, zero_points
    if not lost.constants:
        return Reading(None, f"it begins with {lost.operator}, which was not followed", followed=False), None
    words = f"it computes with constants behind {lost.operator}, which was not followed"
    return Reading("insightface", words, tuple(_FROM_UNIT)[1:], followed=False), None


def _has_means(layer: nn.Module | None) -> TypeGuard[nn.BatchNorm2d]:
    """Return whether a layer is a BatchNorm with measured means; those of exactly 0 were not measured."""
    if not isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d) or layer.running_mean is None:
        return False
    return bool(layer.running_mean.any())


def _of_batch_norm(value: Affine, layer: nn.BatchNorm2d) -> _Read:
    """Return the reading of a graph that begins with a BatchNorm, whose mean is that of the images."""
    assert layer.running_mean is not None  # noqa: S101 - `_has_means` checked it
    means = value.zero_points(layer.running_mean.reshape(-1, *[1] * (value.scale.ndim - 2)))
    words = f"the mean of its first BatchNorm is at {float(means.nanmean()):.4g}"
    return _decide(replace(value, operators=(*value.operators, "BatchNormalization")), means, words)


def _of_layer(value: Affine, layer: nn.Module | None) -> _Read:
    """Return the reading of a graph whose first layer with weights takes `value`."""
    mean = _folded_mean(layer) if isinstance(layer, nn.Conv2d) else None
    if mean is None:
        return _decide(value, None, "")
    means = value.zero_points(mean[:, None, None])
    return _decide(
        replace(value, operators=(*value.operators, "Conv")),
        means,
        f"the bias of its first convolution subtracts {float(means.nanmean()):.4g}",
    )


def _folded_mean(layer: nn.Conv2d) -> Tensor | None:
    """Return the means that were folded into a convolution's bias, one per channel; None if there are none.

    The bias is then the same combination of the channels' means for every output: minus the sum of its
    weights for a channel, times that channel's mean. A bias of anything else is not explained by that.
    """
    if layer.bias is None or layer.groups != 1 or layer.out_channels <= layer.in_channels + 1:
        return None
    sums = -layer.weight.detach().double().sum((2, 3))
    bias = layer.bias.detach().double()
    if not bias.any():
        return None
    means = torch.linalg.lstsq(sums, bias[:, None], driver="gelsd").solution[:, 0]
    explained = (sums @ means - bias).norm() <= _FOLDED * bias.norm()
    return means.float() if bool(explained) else None


def _decide(value: Affine, means: Tensor | None, words: str) -> _Read:
    """Return the range of an input that becomes `value`, and the means of its channels.

    Args:
        value: The first value that is not only scaled and shifted further.
        means: The input values that the network takes for the mean; None takes those which become 0.
        words: How they were found.
    """
    own = means is None
    means = value.zero_points() if means is None else means
    scales = value.of_channels(value.scale).abs()
    zero, scale = float(means.nanmean()), float(scales.nanmean())
    if own and (not value.operators or (abs(zero) < _UNCHANGED and abs(scale - 1) < _UNCHANGED)):
        return _of_limits(value), None
    words = words or (
        f"it begins with {', '.join(value.operators)}, which make 0 of {zero:.4g} and scale by {scale:.4g}"
    )
    return _of_imagenet(means, scales, words) or _of_numbers(zero, scales, words), means


def _of_imagenet(means: Tensor, scales: Tensor, words: str) -> Reading | None:
    """Return the reading of a graph that makes -1..1 of images normalised with ImageNet's numbers, or None.

    Source: torchvision's `transform_input` of GoogLeNet and Inception.
    """
    preset = PRESETS["imagenet"]
    mean, std = torch.tensor(preset.mean), torch.tensor(preset.std)
    if len(means) != len(mean):
        return None
    orders: tuple[tuple[Literal["RGB", "BGR"], Tensor, Tensor], ...] = (
        ("RGB", means, scales),
        ("BGR", means.flip(0), scales.flip(0)),
    )
    for channels, zero, scale in orders:
        near = (scale / (2 * std) - 1).abs().max() <= _TOLERANCE
        if near and (zero - (0.5 - mean) / std).abs().max() <= _TOLERANCE:
            return Reading("imagenet", words, channels=channels)
    return None


def _of_numbers(zero: float, scales: Tensor, words: str) -> Reading:
    """Return the range of a graph by its zero point and the factors of its channels."""
    preset = next((name for name, (low, high) in _ZERO_POINTS.items() if low <= zero <= high), None)
    if preset is not None:
        return Reading(preset, words)
    if abs(zero) < _SMALL:
        return _of_scale(scales, float(scales.nanmean()), words, centred=zero == 0)
    if zero > 1:
        return Reading("zero-to-255", words)
    return Reading("insightface", words, ("zero-to-one",))


def _of_limits(value: Affine) -> Reading:
    """Return the range of a graph by the input values that it lets through where it clamps or quantises."""
    limits = value.limits
    if limits is None or limits.high is None:
        return Reading(None)
    verb = "quantises" if limits.operator == "QuantizeLinear" else "clamps"
    words = (
        f"it {verb} its input {'' if limits.low is None else f'from {limits.low:.4g} '}to {limits.high:.4g}"
    )
    if limits.high > _LIMIT:
        return Reading("zero-to-255", words)
    if limits.low is None:
        return Reading("insightface", words, ("zero-to-one",))
    return Reading("zero-to-one" if limits.low > -_SMALL * limits.high else "insightface", words)


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
