"""ONNX operators on feature maps: padding, pooling, resizing, instance normalisation."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from recognition.errors import InputError
from recognition.loading.limits import check_elements
from recognition.loading.onnx_operators.base import Function, Node, integers


def _pad(
    node: Node,
    value: Tensor,
    pads: Tensor | None = None,
    fill: Tensor | None = None,
    axes: Tensor | None = None,
) -> Tensor:
    amounts = integers(node.get("pads") if pads is None else pads)
    chosen = range(value.ndim) if axes is None else [axis % value.ndim for axis in integers(axes)]
    before, after = [0] * value.ndim, [0] * value.ndim
    for number, axis in enumerate(chosen):
        before[axis], after[axis] = amounts[number], amounts[number + len(amounts) // 2]
    check_elements(
        [size + low + high for size, low, high in zip(value.shape, before, after, strict=True)], "Pad"
    )
    # torch lists the last axis first.
    pairs = [(before[axis], after[axis]) for axis in reversed(range(value.ndim))]
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}.get(
        node.get("mode", "constant")
    )
    if mode is None:
        raise InputError(f"Pad: expected constant, reflect or edge, got {node.get('mode')!r}")
    if mode != "constant":
        while pairs and pairs[-1] == (0, 0):
            pairs.pop()
        return F.pad(value, [number for pair in pairs for number in pair], mode)
    constant = float(node.get("value", 0.0) if fill is None else fill.item())
    return F.pad(value, [number for pair in pairs for number in pair], value=constant)


def _instance_norm(node: Node, value: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return F.instance_norm(value, weight=scale, bias=bias, eps=node.get("epsilon", 1e-5))


def pool_padding(node: Node, value: Tensor, kernel: list[int], stride: list[int]) -> list[int]:
    """Return the padding of a convolution or pooling in torch's order: left, right, top, bottom.

    Args:
        node: The node with the attributes `pads`, `auto_pad` and `dilations`.
        value: The feature maps, shape (batch, channels, h, w).
        kernel: Size of the kernel, (rows, columns).
        stride: Stride, (rows, columns).

    Raises:
        InputError: If the padded feature maps would be too large.
    """
    dilation = node.get("dilations") or [1] * len(kernel)
    automatic = node.get("auto_pad", "NOTSET")
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        before, after = [], []
        for size, side, step, apart in zip(value.shape[2:], kernel, stride, dilation, strict=True):
            total = max(0, (-(-size // step) - 1) * step + (side - 1) * apart + 1 - size)
            small, large = total // 2, total - total // 2
            before.append(small if automatic == "SAME_UPPER" else large)
            after.append(large if automatic == "SAME_UPPER" else small)
    else:
        pads = list(node.get("pads") or [0] * 2 * len(kernel))
        before, after = pads[: len(kernel)], pads[len(kernel) :]
    padding: list[int] = []
    for low, high in zip(reversed(before), reversed(after), strict=True):
        padding += [low, high]
    sizes = [size + low + high for size, low, high in zip(value.shape[2:], before, after, strict=True)]
    check_elements([*value.shape[:2], *sizes], f"padding of {node.operator}")
    return padding


def _max_pool(node: Node, value: Tensor) -> Tensor:
    kernel = node.get("kernel_shape")
    stride = node.get("strides") or [1] * len(kernel)
    padding = pool_padding(node, value, kernel, stride)
    if any(padding):
        value = F.pad(value, padding, value=-math.inf)
    return F.max_pool2d(
        value, kernel, stride, 0, node.get("dilations") or 1, ceil_mode=bool(node.get("ceil_mode", 0))
    )


def _average_pool(node: Node, value: Tensor) -> Tensor:
    kernel = node.get("kernel_shape")
    stride = node.get("strides") or [1] * len(kernel)
    padding = pool_padding(node, value, kernel, stride)
    ceil = bool(node.get("ceil_mode", 0))
    if not any(padding):
        return F.avg_pool2d(value, kernel, stride, ceil_mode=ceil)
    sums = F.avg_pool2d(F.pad(value, padding), kernel, stride, ceil_mode=ceil)
    if node.get("count_include_pad", 0):
        return sums
    inside = F.pad(torch.ones_like(value[:1, :1]), padding)
    return sums / F.avg_pool2d(inside, kernel, stride, ceil_mode=ceil)


def _resize(
    node: Node,
    value: Tensor,
    roi: Tensor | None = None,
    scales: Tensor | None = None,
    sizes: Tensor | None = None,
) -> Tensor:
    if node.operator == "Upsample":
        scales = roi if roi is not None else torch.tensor(node.get("scales"))
    if sizes is not None and sizes.numel():
        target = integers(sizes)[2:]
    elif scales is not None:
        factors = scales.tolist()[2:]
        target = [int(size * factor) for size, factor in zip(value.shape[2:], factors, strict=True)]
    else:
        raise InputError("Resize: expected sizes or scales")
    check_elements([*value.shape[:2], *target], "Resize")
    mode = node.get("mode", "nearest")
    alignment = node.get("coordinate_transformation_mode", "half_pixel")
    if mode == "nearest":
        return F.interpolate(value, target, mode="nearest")
    known = {"linear": "bilinear", "cubic": "bicubic"}.get(mode)
    if known is None or alignment not in ("half_pixel", "pytorch_half_pixel", "align_corners"):
        raise InputError(
            f"Resize: expected nearest, linear or cubic of pixel centres, got {mode}, {alignment}"
        )
    return F.interpolate(value, target, mode=known, align_corners=alignment == "align_corners")


def _depth_to_space(node: Node, value: Tensor) -> Tensor:
    block = node.get("blocksize")
    if node.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(value, block)
    batch, channels, height, width = value.shape
    parts = value.reshape(batch, block, block, channels // block**2, height, width)
    return parts.permute(0, 3, 4, 1, 5, 2).reshape(batch, -1, height * block, width * block)


def _space_to_depth(node: Node, value: Tensor) -> Tensor:
    block = node.get("blocksize")
    batch, channels, height, width = value.shape
    parts = value.reshape(batch, channels, height // block, block, width // block, block)
    return parts.permute(0, 3, 5, 1, 2, 4).reshape(batch, -1, height // block, width // block)


#: Functions by operator.
FUNCTIONS: dict[str, Function] = {
    "Pad": _pad,
    "InstanceNormalization": _instance_norm,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "Resize": _resize,
    "Upsample": _resize,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "GlobalAveragePool": lambda node, value: value.mean((2, 3), keepdim=True),
    "GlobalMaxPool": lambda node, value: value.amax((2, 3), keepdim=True),
}
