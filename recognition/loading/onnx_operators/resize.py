"""ONNX's Resize and Upsample: every output is a weighted sum of inputs, axis by axis.

Source: the ONNX operator specification, Resize-10 to Resize-19, Upsample-7 and -9.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recognition.errors import InputError
from recognition.loading.limits import check_elements
from recognition.loading.onnx_operators.base import Node, integers

#: Half the width of the kernels in pixels of the input.
_SUPPORT = {"linear": 1, "cubic": 2}
_COORDINATES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_half_pixel_for_nn",
    "tf_crop_and_resize",
)
_Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Axis:
    """How one axis is resized.

    Args:
        size: Number of positions of the input.
        target: Number of positions of the output.
        scale: The factor that coordinates are computed with; the output may be rounded down.
        start: Where the region to resize begins, of 0 to 1; for tf_crop_and_resize.
        end: Where it ends.
    """

    size: int
    target: int
    scale: float
    start: float = 0.0
    end: float = 1.0


def resize(
    node: Node,
    value: Tensor,
    roi: Tensor | None = None,
    scales: Tensor | None = None,
    sizes: Tensor | None = None,
) -> Tensor:
    """Compute ONNX's Resize or Upsample.

    Raises:
        InputError: If the node has neither scales nor sizes, or an unknown mode.
    """
    if node.operator == "Upsample" or node.opset < 11:
        # These have no region: the scales are the second input, or an attribute.
        scales, roi = roi if roi is not None else torch.tensor(node.get("scales")), None
    axes = [axis % value.ndim for axis in node.get("axes") or range(value.ndim)]
    plans = _plans(node, value, axes, roi, scales, sizes)
    shape = list(value.shape)
    for axis, plan in plans.items():
        shape[axis] = plan.target
    check_elements(shape, "Resize")
    for axis, plan in plans.items():
        crops = node.get("coordinate_transformation_mode") == "tf_crop_and_resize"
        if plan.scale == 1 and not (crops and (plan.start, plan.end) != (0, 1)):
            continue
        weights = _weights(node, plan)
        if axis == 0:
            raise InputError("Resize: expected the batch as it is, got it resized")
        matrix = torch.from_numpy(weights).to(value.device, value.dtype)
        value = (value.movedim(axis, -1) @ matrix.T).movedim(-1, axis)
        outside = _outside(node, plan)
        if outside.any():
            kept = torch.from_numpy(~outside).to(value.device)
            kept = kept.reshape([-1 if one == axis else 1 for one in range(value.ndim)])
            value = torch.where(kept, value, node.get("extrapolation_value", 0.0))
    return value


def _plans(
    node: Node,
    value: Tensor,
    axes: list[int],
    roi: Tensor | None,
    scales: Tensor | None,
    sizes: Tensor | None,
) -> dict[int, _Axis]:
    lengths = [int(value.shape[axis]) for axis in axes]
    if sizes is not None and sizes.numel():
        # Sizes may contain the batch that the file was exported with, which is left as it is.
        given = zip(axes, integers(sizes), strict=True)
        targets = [size if axis else lengths[axes.index(0)] for axis, size in given]
        factors = [target / length for target, length in zip(targets, lengths, strict=True)]
        policy = node.get("keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            factor = min(factors) if policy == "not_larger" else max(factors)
            factors = [factor] * len(axes)
            targets = [math.floor(factor * length + 0.5) for length in lengths]
    elif scales is not None and scales.numel():
        factors = [float(scale) for scale in scales.tolist()]
        if len(factors) != len(axes) or not all(0 < factor < math.inf for factor in factors):
            raise InputError(f"{node.operator}: expected a positive scale for each axis, got {factors}")
        targets = [int(length * factor) for length, factor in zip(lengths, factors, strict=True)]
    else:
        raise InputError(f"{node.operator}: expected sizes or scales")
    region = [0.0] * len(axes) + [1.0] * len(axes)
    if node.get("coordinate_transformation_mode") == "tf_crop_and_resize":
        if roi is None or roi.numel() != len(region):
            raise InputError("Resize: expected a region with tf_crop_and_resize")
        region = [float(side) for side in roi.tolist()]
    if min(targets, default=1) < 1:
        raise InputError(f"{node.operator}: expected sizes of at least 1, got {targets}")
    return {
        axis: _Axis(lengths[place], targets[place], factors[place], region[place], region[place + len(axes)])
        for place, axis in enumerate(axes)
    }


def _mode(node: Node) -> str:
    mode = str(node.get("mode", "nearest"))
    return "linear" if mode == "bilinear" else mode


def _coordinates(node: Node, axis: _Axis) -> _Floats:
    """Return the input's coordinate of every output, in float32, as onnxruntime computes it."""
    usual = "asymmetric" if node.operator == "Upsample" or node.opset < 11 else "half_pixel"
    transformation = node.get("coordinate_transformation_mode", usual)
    places, scale = np.arange(axis.target, dtype=np.float32), np.float32(axis.scale)
    half = np.float32(0.5)
    if transformation not in _COORDINATES:
        raise InputError(f"Resize: expected coordinates of {', '.join(_COORDINATES)}, got {transformation!r}")
    if transformation == "asymmetric":
        return places / scale
    if transformation == "tf_half_pixel_for_nn":
        return (places + half) / scale
    if transformation == "align_corners":
        return places * np.float32(axis.size - 1) / np.float32(max(axis.target - 1, 1))
    if transformation == "tf_crop_and_resize":
        first, last = axis.start * (axis.size - 1), axis.end * (axis.size - 1)
        steps = places / max(axis.target - 1, 1)
        found = first + steps * (last - first) if axis.target > 1 else 0 * places + (first + last) / 2
        return np.asarray(found, dtype=np.float32)
    if transformation == "pytorch_half_pixel" and axis.target == 1:
        return 0 * places
    found = (places + half) / scale - half
    if transformation == "half_pixel_symmetric":
        # The part of the input that the rounded output covers lies in the middle.
        covered = axis.target / (axis.scale * axis.size)
        found = found + np.float32(axis.size / 2 * (1 - covered))
    return np.asarray(found, dtype=np.float32)


def _outside(node: Node, axis: _Axis) -> NDArray[np.bool_]:
    """Return which outputs lie outside the input, and get `extrapolation_value`."""
    if node.get("coordinate_transformation_mode") != "tf_crop_and_resize":
        return np.zeros(axis.target, dtype=bool)
    places = _coordinates(node, axis)
    return (places < 0) | (places > axis.size - 1)


def _weights(node: Node, axis: _Axis) -> _Floats:
    """Return each output's weights of the inputs, shape (target, size)."""
    # Positions on the matrix are as many as the product of both sizes, both limited for face images.
    check_elements((axis.target, axis.size), "Resize")
    mode, places = _mode(node), _coordinates(node, axis)
    if mode == "nearest":
        chosen = np.clip(_nearest(node, axis, places), 0, axis.size - 1)
        return np.eye(axis.size, dtype=np.float32)[chosen]
    if mode not in _SUPPORT:
        raise InputError(f"Resize: expected nearest, linear or cubic, got {mode!r}")
    shrinks = bool(node.get("antialias", 0)) and axis.scale < 1
    stretch = 1 / axis.scale if shrinks else 1.0
    reach = math.ceil(_SUPPORT[mode] * stretch) + 1
    floors = np.floor(places).astype(np.int64)
    taps = floors[:, None] + np.arange(-reach, reach + 1)
    distances = (taps - places[:, None].astype(np.float64)) / stretch
    weights = _kernel(mode, distances, float(node.get("cubic_coeff_a", -0.75)))
    inside = (taps >= 0) & (taps < axis.size)
    if mode == "cubic" and node.get("exclude_outside", 0):
        weights = weights * inside
    weights = weights / weights.sum(1, keepdims=True)
    matrix = np.zeros((axis.target, axis.size))
    np.add.at(matrix, (np.arange(axis.target)[:, None], np.clip(taps, 0, axis.size - 1)), weights)
    return matrix.astype(np.float32)


def _nearest(node: Node, axis: _Axis, places: _Floats) -> NDArray[np.int64]:
    usual = "simple" if node.operator == "Upsample" or node.opset < 11 else "round_prefer_floor"
    rounding = node.get("nearest_mode", usual)
    if rounding == "simple":
        rounding = "ceil" if axis.scale < 1 else "floor"
    half = np.float32(0.5)
    rounded = {
        "round_prefer_floor": np.ceil(places - half),
        "round_prefer_ceil": np.floor(places + half),
        "floor": np.floor(places),
        "ceil": np.ceil(places),
    }.get(rounding)
    if rounded is None:
        raise InputError(f"Resize: expected a known nearest_mode, got {rounding!r}")
    return rounded.astype(np.int64)


def _kernel(mode: str, distances: NDArray[np.float64], a: float) -> NDArray[np.float64]:
    """Return the weights of a kernel: the triangle, or Keys' cubic with the coefficient a."""
    x = np.abs(distances)
    if mode == "linear":
        return np.clip(1 - x, 0, None)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
