"""MobileFaceNets as public projects name their parameters, with all sizes read from the state dict.

Source: Chen et al., arXiv:1804.07573, table 1. Parameter names are those of the projects' files:
TreB1eN/InsightFace_Pytorch, model.py; Tencent/TFace, torchkit/backbone/model_mobilefacenet.py;
JDAI-CV/FaceX-Zoo, backbone/MobileFaceNets.py; Xiaoccer/MobileFaceNet_Pytorch, core/model.py;
deepinsight/insightface, recognition/arcface_torch/backbones/mobilefacenet.py (`mbf_large`).
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recognition.backbones.mobilefacenet import ConvUnit, DepthwiseUnit, GlobalDepthwise, ResidualUnits
from recognition.errors import InputError
from recognition.loading.state_dicts import State

#: Stages of the paper's network: those with a stride of 2, and those of residual units.
_STRIDED, _RESIDUAL = ("conv_23", "conv_34", "conv_45"), ("conv_3", "conv_4", "conv_5")


def shape(state: State, key: str, dimensions: int = 4) -> Sequence[int]:
    """Return a tensor's shape.

    Raises:
        InputError: If it is missing, empty, or has another number of dimensions.
    """
    if key not in state or state[key].ndim != dimensions or not state[key].numel():
        raise InputError(f"expected {key!r} of {dimensions} dimensions in the state dict, found none")
    return state[key].shape


def count(state: State, prefix: str) -> int:
    """Return how many modules are numbered behind a prefix, as "conv_3.model."."""
    return len({key.removeprefix(prefix).split(".")[0] for key in state if key.startswith(prefix)})


def convolution(state: State, key: str, stride: int = 1, padding: int = 0) -> nn.Conv2d:
    """Return a convolution of a weight's shape: depthwise if each output reads one channel of several."""
    outputs, inputs, rows, columns = shape(state, key)
    depthwise = inputs == 1 and outputs > 1
    return nn.Conv2d(
        outputs if depthwise else inputs,
        outputs,
        (rows, columns),
        stride,
        padding,
        groups=outputs if depthwise else 1,
        bias=False,
    )


def unit(state: State, prefix: str, stride: int = 1, padding: int = 0) -> nn.Sequential:
    """Return a convolution and BatchNorm, and PReLU where the state dict has its slopes."""
    conv = convolution(state, f"{prefix}.conv.weight", stride, padding)
    parts: list[tuple[str, nn.Module]] = [("conv", conv), ("bn", nn.BatchNorm2d(conv.out_channels))]
    if f"{prefix}.prelu.weight" in state:
        parts.append(("prelu", nn.PReLU(shape(state, f"{prefix}.prelu.weight", 1)[0])))
    return nn.Sequential(OrderedDict(parts))


class Added(nn.Sequential):
    """Layers whose output is added to their input."""

    def forward(self, features: Tensor) -> Tensor:
        added: Tensor = features
        for layer in self:
            added = layer(added)
        return features + added


def _depthwise(state: State, prefix: str, stride: int, kind: type[nn.Sequential]) -> nn.Sequential:
    return kind(
        OrderedDict(
            conv=unit(state, f"{prefix}.conv"),
            conv_dw=unit(state, f"{prefix}.conv_dw", stride, 1),
            project=unit(state, f"{prefix}.project"),
        )
    )


class NormAwarePooling(nn.Module):
    """Global norm-aware pooling (GNAP): a mean over positions, each scaled to the mean norm of all of them.

    TFace's and cavaface's code takes the mean norm over a whole batch, so that images change each other. Here
    it is that of the image itself, which is what their code gives for a batch of one.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels, affine=False)
        self.bn2 = nn.BatchNorm1d(channels, affine=False)

    def forward(self, features: Tensor) -> Tensor:
        """Return embeddings, (batch, channels), of feature maps, (batch, channels, h, w)."""
        features = self.bn1(features)
        norms = torch.linalg.vector_norm(features, dim=1, keepdim=True)
        scaled = features * (norms.mean((2, 3), keepdim=True) / norms)
        return self.bn2(scaled.mean((2, 3)))


def mobilefacenet(state: State) -> nn.Sequential:
    """Return the network of InsightFace_Pytorch and FaceX-Zoo (`linear`, `bn`) or TFace (`output_layer`).

    The last layers are a global depthwise convolution and a linear layer, or `NormAwarePooling`.
    """
    parts: list[tuple[str, nn.Module]] = [
        ("conv1", unit(state, "conv1", 2, 1)),
        ("conv2_dw", unit(state, "conv2_dw", 1, 1)),
    ]
    for strided, residual in zip(_STRIDED, _RESIDUAL, strict=True):
        parts.append((strided, _depthwise(state, strided, 2, nn.Sequential)))
        units = count(state, f"{residual}.model.")
        blocks = [_depthwise(state, f"{residual}.model.{number}", 1, Added) for number in range(units)]
        parts.append((residual, nn.Sequential(OrderedDict(model=nn.Sequential(*blocks)))))
    parts.append(("conv_6_sep", unit(state, "conv_6_sep")))
    if "output_layer.bn1.running_mean" in state:
        channels = shape(state, "output_layer.bn1.running_mean", 1)[0]
        return nn.Sequential(OrderedDict([*parts, ("output_layer", NormAwarePooling(channels))]))
    nested = "output_layer.linear.weight" in state
    prefix = "output_layer." if nested else ""
    outputs, inputs = shape(state, f"{prefix}linear.weight", 2)
    last: list[tuple[str, nn.Module]] = [
        ("conv_6_dw", unit(state, f"{prefix}conv_6_dw")),
        ("conv_6_flatten", nn.Flatten()),
        ("linear", nn.Linear(inputs, outputs, bias=False)),
        ("bn", nn.BatchNorm1d(outputs, affine=f"{prefix}bn.weight" in state)),
    ]
    parts += [("output_layer", nn.Sequential(OrderedDict(last)))] if nested else last
    return nn.Sequential(OrderedDict(parts))


def _bottleneck(state: State, number: int) -> nn.Module:
    prefix = f"blocks.{number}.conv"
    hidden, inputs = shape(state, f"{prefix}.0.weight")[:2]
    outputs = shape(state, f"{prefix}.6.weight")[0]
    # Weights do not show strides: the first unit and those that expand fourfold have one of 2.
    stride = 2 if number == 0 or hidden == 4 * inputs else 1
    layers = nn.Sequential(
        convolution(state, f"{prefix}.0.weight"),
        nn.BatchNorm2d(hidden),
        nn.PReLU(hidden),
        convolution(state, f"{prefix}.3.weight", stride, 1),
        nn.BatchNorm2d(hidden),
        nn.PReLU(hidden),
        convolution(state, f"{prefix}.6.weight"),
        nn.BatchNorm2d(outputs),
    )
    kind = Added if stride == 1 and inputs == outputs else nn.Sequential
    return kind(OrderedDict(conv=layers))


def bottleneck_mobilefacenet(state: State) -> nn.Sequential:
    """Return the network of MobileFaceNet_Pytorch (`dw_conv1`, `blocks`, `linear7`, `linear1`)."""
    units = count(state, "blocks.")
    blocks = nn.Sequential(*(_bottleneck(state, number) for number in range(units)))
    return nn.Sequential(
        OrderedDict(
            conv1=unit(state, "conv1", 2, 1),
            dw_conv1=unit(state, "dw_conv1", 1, 1),
            blocks=blocks,
            conv2=unit(state, "conv2"),
            linear7=unit(state, "linear7"),
            linear1=unit(state, "linear1"),
            flatten=nn.Flatten(),
        )
    )


def _stage(state: State, number: int, stride: int) -> nn.Module:
    """Return a stage of arcface_torch's layout: one strided unit, or residual units of the same width."""
    prefix = f"layers.{number}.layers"
    if stride == 2:
        hidden, inputs = shape(state, f"{prefix}.0.layers.0.weight")[:2]
        return DepthwiseUnit(inputs, shape(state, f"{prefix}.2.layers.0.weight")[0], hidden, stride)
    hidden, inputs = shape(state, f"{prefix}.0.layers.0.layers.0.weight")[:2]
    return ResidualUnits(inputs, count(state, f"{prefix}."), hidden)


class WideMobileFaceNet(nn.Module):
    """MobileFaceNet of arcface_torch's layout with any number of units and channels, as `mbf_large`."""

    def __init__(self, state: State) -> None:
        super().__init__()
        early, inputs = shape(state, "layers.0.layers.0.weight")[:2]
        if "layers.1.layers.0.weight" in state:
            per_group = shape(state, "layers.1.layers.0.weight")[1]
            second: nn.Module = ConvUnit(early, early, 3, 1, 1, groups=max(1, early // per_group))
        else:
            second = _stage(state, 1, 1)
        stages = [_stage(state, number, 2 - number % 2) for number in range(2, 8)]
        self.layers = nn.ModuleList([ConvUnit(inputs, early, 3, 2, 1), second, *stages])
        last, late = shape(state, "conv_sep.layers.0.weight")[:2]
        self.conv_sep = ConvUnit(late, last)
        self.features = GlobalDepthwise(last, shape(state, "features.layers.2.weight", 2)[0])

    def forward(self, images: Tensor) -> Tensor:
        """Return raw embeddings, (batch, dim), of normalised images, (batch, 3, 112, 112)."""
        features = images
        for layer in self.layers:
            features = layer(features)
        return self.features(self.conv_sep(features))
