"""ONNX operators on feature maps: padding, pooling, resizing, instance normalisation."""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from recognition.errors import InputError
from recognition.loading.limits import check_elements
from recognition.loading.onnx_operators.base import Function, Node, integers
from recognition.loading.onnx_operators.resize import resize


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


def _pooling(pool: Callable[[Node, Tensor], Tensor]) -> Function:
    """Return a pooling over two axes as one that takes signals, (batch, channels, length), too."""

    def pooled(node: Node, value: Tensor) -> Tensor:
        axes = value.ndim - 2
        if axes not in (1, 2):
            raise InputError(
                f"{node.operator} {node.name!r}: expected (batch, channels, h, w) or (batch, channels, "
                f"length), got {value.ndim} dimensions; give the code that builds it, package.module:factory"
            )
        lengths = {"kernel_shape": axes, "strides": axes, "dilations": axes, "pads": 2 * axes}
        given = {name: list(node.get(name)) for name in lengths if node.get(name) is not None}
        for name, numbers in given.items():
            if len(numbers) != lengths[name]:
                raise InputError(
                    f"{node.operator} {node.name!r}: expected {lengths[name]} numbers in {name}, got "
                    f"{numbers}; get an intact copy"
                )
        if axes == 2:
            return pool(node, value)
        # A signal is feature maps of one row.
        rows = {name: [0, numbers[0], 0, numbers[1]] for name, numbers in given.items() if name == "pads"}
        rows |= {name: [1, *numbers] for name, numbers in given.items() if name != "pads"}
        wide = replace(node, attributes=node.attributes | rows)
        return pool(wide, value.unsqueeze(2)).squeeze(2)

    return pooled


def _global(pool: Callable[[Node, Tensor, tuple[int, ...]], Tensor]) -> Function:
    """Return a pooling over all axes behind the channels."""

    def pooled(node: Node, value: Tensor) -> Tensor:
        if value.ndim < 3:
            raise InputError(
                f"{node.operator} {node.name!r}: expected (batch, channels, ...) with axes to pool, got "
                f"{value.ndim} dimensions"
            )
        return pool(node, value, tuple(range(2, value.ndim)))

    return pooled


def _max_pool(node: Node, value: Tensor) -> Tensor:
    kernel = node.get("kernel_shape")
    stride = node.get("strides") or [1] * len(kernel)
    padding = pool_padding(node, value, kernel, stride)
    if node.get("ceil_mode", 0):
        beyond = _beyond(node, value, padding, kernel, stride)
        padding = [side + more for side, more in zip(padding, beyond, strict=True)]
    if any(padding):
        value = F.pad(value, padding, value=-math.inf)
    return F.max_pool2d(value, kernel, stride, 0, node.get("dilations") or 1)


def _window_sums(node: Node, value: Tensor, kernel: list[int], stride: list[int]) -> Tensor:
    """Return the sums over each window of feature maps, (batch, channels, h, w), that are already padded."""
    batch, channels, height, width = value.shape
    ones = torch.ones(1, 1, *kernel, dtype=value.dtype, device=value.device)
    dilation = node.get("dilations") or [1] * len(kernel)
    maps = value.reshape(batch * channels, 1, height, width)
    sums = F.conv2d(maps, ones, None, stride, 0, dilation)
    return sums.reshape(batch, channels, *sums.shape[2:])


def _average_pool(node: Node, value: Tensor) -> Tensor:
    kernel = node.get("kernel_shape")
    stride = node.get("strides") or [1] * len(kernel)
    padding = pool_padding(node, value, kernel, stride)
    ceil = bool(node.get("ceil_mode", 0))
    dilated = any(apart != 1 for apart in node.get("dilations") or ())
    if not any(padding) and not dilated:
        return F.avg_pool2d(value, kernel, stride, ceil_mode=ceil)
    if not dilated and not ceil:
        sums = F.avg_pool2d(F.pad(value, padding), kernel, stride)
        if node.get("count_include_pad", 0):
            return sums
        inside = F.pad(torch.ones_like(value[:1, :1]), padding)
        return sums / F.avg_pool2d(inside, kernel, stride)
    beyond = _beyond(node, value, padding, kernel, stride) if ceil else [0, 0, 0, 0]
    # Padding counts if asked for; what a last window reads beyond it never does.
    counted = torch.ones_like(value[:1, :1])
    counted = F.pad(F.pad(counted, padding, value=float(node.get("count_include_pad", 0))), beyond)
    padded = F.pad(F.pad(value, padding), beyond)
    return _window_sums(node, padded, kernel, stride) / _window_sums(node, counted, kernel, stride)


def _beyond(node: Node, value: Tensor, padding: list[int], kernel: list[int], stride: list[int]) -> list[int]:
    """Return what is to be added behind the padding for the last windows of ceil_mode, in torch's order.

    A window that begins behind the feature maps and the padding before them is left out.
    """
    beyond = [0, 0, 0, 0]
    dilation = node.get("dilations") or [1] * len(kernel)
    for place, axis in enumerate((3, 2)):
        before, after = padding[2 * place : 2 * place + 2]
        size, step = value.shape[axis], stride[axis - 2]
        extent = (kernel[axis - 2] - 1) * dilation[axis - 2] + 1
        windows = -(-(size + before + after - extent) // step) + 1
        if (windows - 1) * step >= size + before:
            windows -= 1
        beyond[2 * place + 1] = max(0, (windows - 1) * step + extent - size - before - after)
    return beyond


def _lp_pool(node: Node, value: Tensor) -> Tensor:
    kernel, power = node.get("kernel_shape"), node.get("p", 2)
    stride = node.get("strides") or [1] * len(kernel)
    padding = pool_padding(node, value, kernel, stride)
    if node.get("ceil_mode", 0):
        beyond = _beyond(node, value, padding, kernel, stride)
        padding = [side + more for side, more in zip(padding, beyond, strict=True)]
    return _window_sums(node, F.pad(value, padding).abs() ** power, kernel, stride) ** (1 / power)


def _global_lp_pool(node: Node, value: Tensor, axes: tuple[int, ...]) -> Tensor:
    return torch.linalg.vector_norm(value, node.get("p", 2), dim=axes, keepdim=True)


def _response_norm(node: Node, value: Tensor) -> Tensor:
    size = node.get("size")
    before = (size - 1) // 2
    # The channels are the second axis, of images or of signals.
    behind = [0, 0] * (value.ndim - 2)
    squares = F.pad(value.square(), [*behind, before, size - 1 - before])
    sums = sum(squares[:, place : place + value.shape[1]] for place in range(size))
    scale = node.get("bias", 1.0) + node.get("alpha", 1e-4) / size * sums
    return value / scale ** node.get("beta", 0.75)


def _mean_variance_norm(node: Node, value: Tensor) -> Tensor:
    axes = tuple(node.get("axes") or (0, 2, 3))
    if 0 in [axis % value.ndim for axis in axes]:
        raise InputError(
            "MeanVarianceNormalization: expected axes without the batch, whose images would change each "
            f"other, got {list(axes)}"
        )
    centred = value - value.mean(axes, keepdim=True)
    # The specification's epsilon.
    return centred / (centred.square().mean(axes, keepdim=True).sqrt() + 1e-9)


def _grid_sample(node: Node, value: Tensor, grid: Tensor) -> Tensor:
    # Operator set 16 has its own names of the modes.
    mode = {"linear": "bilinear", "cubic": "bicubic"}.get(node.get("mode"), node.get("mode", "bilinear"))
    if value.ndim != 4 or mode not in ("bilinear", "nearest", "bicubic"):
        raise InputError(
            f"GridSample: expected linear, nearest or cubic on images, got {mode} on {value.ndim} dimensions"
        )
    padding = node.get("padding_mode", "zeros")
    corners = bool(node.get("align_corners", 0))
    return F.grid_sample(value, grid, mode=mode, padding_mode=padding, align_corners=corners)


def _affine_grid(node: Node, theta: Tensor, size: Tensor) -> Tensor:
    sizes = integers(size)
    check_elements([*sizes, 2], "AffineGrid")
    return F.affine_grid(theta, sizes, align_corners=bool(node.get("align_corners", 0)))


def _check_maps(node: Node, value: Tensor) -> None:
    if value.ndim != 4:
        raise InputError(
            f"{node.operator} {node.name!r}: expected (batch, channels, h, w), got {value.ndim} dimensions"
        )


def _depth_to_space(node: Node, value: Tensor) -> Tensor:
    _check_maps(node, value)
    block = node.get("blocksize")
    if node.get("mode", "DCR") == "CRD":
        return F.pixel_shuffle(value, block)
    batch, channels, height, width = value.shape
    parts = value.reshape(batch, block, block, channels // block**2, height, width)
    return parts.permute(0, 3, 4, 1, 5, 2).reshape(batch, -1, height * block, width * block)


def _space_to_depth(node: Node, value: Tensor) -> Tensor:
    _check_maps(node, value)
    block = node.get("blocksize")
    batch, channels, height, width = value.shape
    parts = value.reshape(batch, channels, height // block, block, width // block, block)
    return parts.permute(0, 3, 5, 1, 2, 4).reshape(batch, -1, height // block, width // block)


#: Functions by operator.
FUNCTIONS: dict[str, Function] = {
    "AffineGrid": _affine_grid,
    "GlobalLpPool": _global(_global_lp_pool),
    "GridSample": _grid_sample,
    "MeanVarianceNormalization": _mean_variance_norm,
    "Pad": _pad,
    "InstanceNormalization": _instance_norm,
    "LpPool": _pooling(_lp_pool),
    "LRN": _response_norm,
    "MaxPool": _pooling(_max_pool),
    "AveragePool": _pooling(_average_pool),
    "Resize": resize,
    "Upsample": resize,
    "DepthToSpace": _depth_to_space,
    "SpaceToDepth": _space_to_depth,
    "GlobalAveragePool": _global(lambda node, value, axes: value.mean(axes, keepdim=True)),
    "GlobalMaxPool": _global(lambda node, value, axes: value.amax(axes, keepdim=True)),
}
