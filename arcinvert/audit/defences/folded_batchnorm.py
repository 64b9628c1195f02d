"""A network without its BatchNorm statistics: the same outputs, but nothing that a penalty could use."""

import copy
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from arcinvert.audit.defences.base import NetworkDefence
from arcinvert.knowledge.activation_statistics import MeasuredStatistics
from arcinvert.knowledge.measure import measure
from recognition.errors import InputError
from recognition.images import atomic_path
from recognition.recogniser import EMBEDDING_BATCH, Recogniser
from recognition.source import Source

_OPSET = 17
#: The normalisations (mean, std) that the loader assumes of an ONNX file: InsightFace's, or 0..255 for a
#: graph that normalises by itself.
_READABLE = ((0.5, 0.5), (0.0, 1 / 255))


class FoldedBatchNorm(NetworkDefence):
    """Releases the network with every BatchNorm folded into one scale and shift.

    The adversary measures statistics of activations on public faces instead.
    """

    name = "folded-batchnorm"
    strength_means, default, minimum, maximum = "1, as there is nothing to choose", 1.0, 1.0, 1.0
    #: Penalties of BatchNorm statistics use what was measured, or are left out.
    changes = frozenset({"penalties", "knowledge", "knowledge_used", "notes"})

    @property
    def label(self) -> str:
        return self.name

    def harden(self, recogniser: Recogniser) -> Recogniser:
        hardened = copy.deepcopy(recogniser)
        if not fold_batchnorm(hardened):
            raise InputError(
                f"{recogniser.name}: expected BatchNorm layers with statistics to fold, found none; leave "
                f"{self.name} out of --defences"
            )
        # Nothing that is stored beside the network's own file may serve its hardened copy.
        hardened.source = Source(architecture=recogniser.source.architecture)
        return hardened

    def measure(self, hardened: Recogniser, public_faces: Tensor) -> MeasuredStatistics:
        return measure(hardened, public_faces.to(hardened.device).split(EMBEDDING_BATCH))

    def held(self, measured: bool) -> str:
        return "the template, and statistics measured on public faces" if measured else "the template"


class ScaleAndShift(nn.Module):
    """What a BatchNorm computes in evaluation mode; its mean and variance cannot be recovered from it."""

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
    """Replace every BatchNorm that has statistics, in place, and return how many there were."""
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
    """Write a network as ONNX without statistics, class centres or names; return how many layers were folded.

    Args:
        recogniser: The network, which is changed in place.
        path: A file that ends in .onnx.

    Raises:
        InputError: If the network has no statistics, or preprocessing that an ONNX file cannot state.
    """
    preprocessing = recogniser.preprocessing
    if (preprocessing.mean, preprocessing.std) not in _READABLE or preprocessing.channels != "RGB":
        raise InputError(
            f"{recogniser.name}: expected InsightFace's preprocessing, got {preprocessing}; an ONNX file "
            "cannot state another"
        )
    layers = fold_batchnorm(recogniser)
    if not layers:
        raise InputError(
            f"{recogniser.name}: expected BatchNorm layers with statistics to fold, found none; it needs no "
            "hardening"
        )
    size = preprocessing.input_size
    batch = {name: {0: "batch"} for name in ("images", "embeddings")}
    with atomic_path(path) as temporary, warnings.catch_warnings():
        # The exporter that needs no further package warns that it is the older one.
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
