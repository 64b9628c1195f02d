"""A network without its BatchNorm statistics: the same outputs, nothing for a statistics prior to read."""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from recognition.errors import InputError
from recognition.images import atomic_path
from recognition.recogniser import Recogniser

_OPSET = 17
#: What the loader takes an ONNX file's input to be: InsightFace's, or 0..255 for the graph to normalise.
_READABLE = ((0.5, 0.5), (0.0, 1 / 255))


class ScaleAndShift(nn.Module):
    """What a BatchNorm does in evaluation; mean and variance can no longer be told apart in it."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        super().__init__()
        mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
        scale = (variance + norm.eps).rsqrt()
        shift = -mean * scale
        if norm.affine:
            scale, shift = scale * norm.weight, shift * norm.weight + norm.bias
        shape = (1, -1, 1, 1) if isinstance(norm, nn.BatchNorm2d) else (1, -1)
        self.register_buffer("scale", scale.detach().reshape(shape))
        self.register_buffer("shift", shift.detach().reshape(shape))

    def forward(self, features: Tensor) -> Tensor:
        return features * self.scale + self.shift


def fold_batchnorm(recogniser: Recogniser) -> int:
    """Replace every BatchNorm that has statistics, in place; how many there were."""
    found = [
        name
        for name, module in recogniser.backbone.named_modules()
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and module.running_mean is not None
    ]
    for name in found:
        module = recogniser.backbone.get_submodule(name)
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            recogniser.backbone.set_submodule(name, ScaleAndShift(module))
    return len(found)


def write_folded(recogniser: Recogniser, path: Path) -> int:
    """Write the network as ONNX without statistics, class centres or names; how many layers lost theirs.

    Args:
        recogniser: changed in place.
        path: ends in .onnx.

    Raises:
        InputError: the network has no statistics, or an input that an ONNX file cannot say.
    """
    preprocessing = recogniser.preprocessing
    if (preprocessing.mean, preprocessing.std) not in _READABLE or preprocessing.channels != "RGB":
        raise InputError(f"{recogniser.name}: expected InsightFace's preprocessing, got {preprocessing}")
    layers = fold_batchnorm(recogniser)
    if not layers:
        raise InputError(
            f"{recogniser.name}: expected BatchNorm layers with statistics to withhold, found none"
        )
    size = preprocessing.input_size
    batch = {name: {0: "batch"} for name in ("images", "embeddings")}
    with atomic_path(path) as temporary, warnings.catch_warnings():
        # The exporter that needs no further package says that it is the older one.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            recogniser.backbone.cpu(),
            (torch.zeros(2, 3, size, size),),
            str(temporary),
            dynamo=False,
            opset_version=_OPSET,
            dynamic_axes=batch,
            input_names=["images"],
            output_names=["embeddings"],
        )
    return layers
