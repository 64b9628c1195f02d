"""The network `age_gender_model` of the npm package @vladmandic/face-api, from its files, run by torch.

    npm pack @vladmandic/face-api
    tar xzf vladmandic-face-api-*.tgz

The folder is then `package/model`. The package is under the MIT licence; its weights (0.4 MB) are not part
of this project, and nothing that attacks uses them. Weights are numbers in a binary file, eight bits each
or 32, that a manifest in JSON describes: nothing in them is executed.

The network is small, of depthwise-separable convolutions (a tiny Xception, Chollet, arXiv:1610.02357), and
gives an age in years and two logits, male and female, by appearance. Source of layers and preprocessing:
the package's src/xception/TinyXception.ts and src/ageGenderNet/AgeGenderNet.ts, version 1.7.15.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from recognition.errors import InputError
from recognition.files import parse_json, read_bytes, read_text
from recognition.images import to_tensor

#: The file that lists the weights, in the package's folder `model`.
MANIFEST = "age_gender_model-weights_manifest.json"
#: Means of red, green and blue, levels of 0 to 255, that are subtracted.
MEANS = (122.782, 117.001, 104.298)
#: Rows of an aligned crop that are left out above the brows. The package cuts the box from the brows to the
#: chin with a tenth around it, and pads it to a square with black. Of 15 framings of 1,094 crops of tuning
#: people, this one is among the three whose readings agree best between two photographs of a person (the same
#: sex 0.97, correlation of ages 0.86); with 25 or 32 rows left out it is as good, whole crops are worse (0.96
#: and 0.81), and crops made smaller within a margin by far.
ABOVE = 15
#: Largest manifest and weights that are read, bytes; the package's have 8 KB and 430 KB.
_MOST = 4 << 20
#: Faces that are labelled at once. On one core, with the channels last in memory, 16 take 6 ms a face; 64
#: take 8, and 15 with the channels first.
_BATCH = 16
_GET_IT = (
    "run 'npm pack @vladmandic/face-api' and 'tar xzf vladmandic-face-api-*.tgz', and give package/model"
)

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Readings:
    """What the network reads in faces.

    Args:
        male: Shape (faces,), the probability of male, from 0 to 1; female has the rest.
        age: Shape (faces,), years.
    """

    male: NDArray[np.float64]
    age: NDArray[np.float64]


def _layers() -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the name of every weight and its shape, height and width of the kernel first."""

    def separable(name: str, channels: int, out: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield f"{name}/depthwise_filter", (3, 3, channels, 1)
        yield f"{name}/pointwise_filter", (1, 1, channels, out)
        yield f"{name}/bias", (out,)

    def reduction(name: str, channels: int, out: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield from separable(f"{name}/separable_conv0", channels, out)
        yield from separable(f"{name}/separable_conv1", out, out)
        yield f"{name}/expansion_conv/filters", (1, 1, channels, out)
        yield f"{name}/expansion_conv/bias", (out,)

    yield "entry_flow/conv_in/filters", (3, 3, 3, 32)
    yield "entry_flow/conv_in/bias", (32,)
    yield from reduction("entry_flow/reduction_block_0", 32, 64)
    yield from reduction("entry_flow/reduction_block_1", 64, 128)
    for block in range(2):
        for layer in range(3):
            yield from separable(f"middle_flow/main_block_{block}/separable_conv{layer}", 128, 128)
    yield from reduction("exit_flow/reduction_block", 128, 256)
    yield from separable("exit_flow/separable_conv", 256, 512)
    for name, out in (("age", 1), ("gender", 2)):
        yield f"fc/{name}/weights", (512, out)
        yield f"fc/{name}/bias", (out,)


SHAPES = dict(_layers())


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Return every weight in `SHAPES` by its name, float32, of the files in a folder.

    Raises:
        InputError: If the folder has no such files, or files of another network.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder}: expected the folder with {MANIFEST}, found none; {_GET_IT}")
    try:
        (group,) = parse_json(read_text(path, "a manifest of weights", _MOST))
        (name,) = group["paths"]
        listed = {entry["name"]: tuple(entry["shape"]) for entry in group["weights"]}
    except (ValueError, KeyError, TypeError):
        raise _other(path) from None
    if listed != SHAPES or Path(name).name != name:
        raise _other(path)
    data = read_bytes(folder / name, "weights", _MOST)
    found, begin = {}, 0
    for entry in group["weights"]:
        try:
            values, begin = decode(entry, data, begin)
        except (ValueError, KeyError, TypeError):
            raise _other(path) from None
        found[entry["name"]] = torch.from_numpy(values)
    if begin != len(data):
        raise InputError(
            f"{folder / name}: expected {begin:,} bytes of weights, got {len(data):,}; {_GET_IT}"
        )
    return found


def _other(path: Path) -> InputError:
    return InputError(f"{path}: expected the weights of face-api's age_gender_model, got others; {_GET_IT}")


def decode(entry: Mapping[str, Any], data: bytes, begin: int) -> tuple[NDArray[np.float32], int]:
    """Return a weight and where the next one begins.

    A weight of eight bits is its number times a scale, plus a minimum; others are float32, little-endian.

    Args:
        entry: Of the manifest: `shape`, and `quantization` with `dtype`, `scale` and `min`, or none.
        data: The binary file.
        begin: Its first byte.

    Raises:
        ValueError: If it has another type, or the file ends before it does.
    """
    shape, quantised = tuple(entry["shape"]), entry.get("quantization")
    kind = quantised["dtype"] if quantised else entry["dtype"]
    if kind != ("uint8" if quantised else "float32"):
        raise ValueError(kind)
    stored = np.dtype(np.uint8 if quantised else "<f4")
    values = np.frombuffer(data, stored, math.prod(shape), begin).reshape(shape).astype(np.float32)
    if quantised:
        values = (values * quantised["scale"] + quantised["min"]).astype(np.float32)
    return values, begin + math.prod(shape) * stored.itemsize


def same_padding(images: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """Return images padded for one output of a kernel every `stride` pixels, an odd pixel at the end.

    Source: padding `same` of TensorFlow, which differs from torch's for a stride of 2.
    """
    sides = []
    for size in (images.shape[-1], images.shape[-2]):
        total = max((math.ceil(size / stride) - 1) * stride + kernel - size, 0)
        sides += [total // 2, total - total // 2]
    return F.pad(images, sides, value=value)


def convolution(images: Tensor, filters: Tensor, bias: Tensor, stride: int = 1) -> Tensor:
    """Return a convolution with the padding `same`.

    Args:
        images: Shape (batch, channels, height, width).
        filters: Shape (side, side, channels, out), or (side, side, channels, 1) for one filter a channel.
        bias: Shape (out,) or, for one filter a channel, (channels,).
        stride: Pixels from one output to the next.
    """
    side, _, channels, out = filters.shape
    depthwise = out == 1 and channels > 1
    kernels = filters.permute(2, 3, 0, 1) if depthwise else filters.permute(3, 2, 0, 1)
    padded = same_padding(images, side, stride)
    return F.conv2d(padded, kernels, bias, stride, groups=channels if depthwise else 1)


def separable(images: Tensor, weights: Weights, name: str) -> Tensor:
    """Return a depthwise-separable convolution: one filter a channel, then a mixture of channels."""
    depthwise = weights[f"{name}/depthwise_filter"]
    each = convolution(images, depthwise, torch.zeros(depthwise.shape[2]))
    return convolution(each, weights[f"{name}/pointwise_filter"], weights[f"{name}/bias"])


def _reduction(images: Tensor, weights: Weights, name: str, *, activate: bool = True) -> Tensor:
    """Return half the resolution: two separable convolutions and a maximum, and a shortcut."""
    inner = separable(F.relu(images) if activate else images, weights, f"{name}/separable_conv0")
    inner = separable(F.relu(inner), weights, f"{name}/separable_conv1")
    inner = F.max_pool2d(same_padding(inner, 3, 2, -math.inf), 3, 2)
    shortcut = f"{name}/expansion_conv"
    return inner + convolution(images, weights[f"{shortcut}/filters"], weights[f"{shortcut}/bias"], 2)


def forward(weights: Weights, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return ages in years, (batch,), and logits of male and female, (batch, 2).

    Args:
        weights: Of `read_weights`.
        images: Shape (batch, 3, 112, 112), RGB in [0, 1].
    """
    out = images - torch.tensor(MEANS).view(3, 1, 1) / 255
    first = "entry_flow/conv_in"
    out = F.relu(convolution(out, weights[f"{first}/filters"], weights[f"{first}/bias"], 2))
    out = _reduction(out, weights, "entry_flow/reduction_block_0", activate=False)
    out = _reduction(out, weights, "entry_flow/reduction_block_1")
    for block in range(2):
        inner = out
        for layer in range(3):
            name = f"middle_flow/main_block_{block}/separable_conv{layer}"
            inner = separable(F.relu(inner), weights, name)
        out = out + inner
    out = _reduction(out, weights, "exit_flow/reduction_block")
    features = F.relu(separable(out, weights, "exit_flow/separable_conv")).mean((2, 3))
    age, sex = (features @ weights[f"fc/{of}/weights"] + weights[f"fc/{of}/bias"] for of in ("age", "gender"))
    return age[:, 0], sex


def framed(crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return aligned crops as the network expects faces: without the forehead, padded to a square with black.

    Args:
        crops: uint8, (faces, 112, 112, 3).
    """
    above = ABOVE // 2
    padding = ((0, 0), (above, ABOVE - above), (0, 0), (0, 0))
    return np.pad(crops[:, ABOVE:], padding)


class SexAgeNetwork:
    """Reads sex, by appearance, and age of faces.

    Args:
        folder: The folder `model` of the npm package.

    Raises:
        InputError: If it has other files.
    """

    def __init__(self, folder: Path) -> None:
        self._weights = read_weights(folder)

    @torch.no_grad()
    def read(self, faces: NDArray[np.uint8]) -> Readings:
        """Return the readings of aligned crops, uint8, (faces, 112, 112, 3)."""
        male, ages = [np.zeros(0)], [np.zeros(0)]
        for begin in range(0, len(faces), _BATCH):
            images = to_tensor(framed(faces[begin : begin + _BATCH]))
            age, sex = forward(self._weights, images.contiguous(memory_format=torch.channels_last))
            ages.append(age.numpy().astype(np.float64))
            male.append(sex.softmax(1)[:, 0].numpy().astype(np.float64))
        return Readings(np.concatenate(male), np.concatenate(ages))
