"""ONNX operators that change or compute shapes, as torch functions."""

import math

import torch
from torch import Tensor

from recognition.errors import InputError
from recognition.loading.limits import check_elements
from recognition.loading.onnx_operators.base import Function, Node, integers


def _reshape(node: Node, value: Tensor, shape: Tensor) -> Tensor:
    sizes = integers(shape)
    if not node.get("allowzero", 0):
        sizes = [value.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return value.reshape(sizes)


def _flatten(node: Node, value: Tensor) -> Tensor:
    axis = node.get("axis", 1)
    axis += value.ndim if axis < 0 else 0
    return value.reshape(math.prod(value.shape[:axis]), -1)


def _squeeze(node: Node, value: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = node.get("axes") if axes is None else integers(axes)
    return value.squeeze() if chosen is None else value.squeeze(tuple(chosen))


def _unsqueeze(node: Node, value: Tensor, axes: Tensor | None = None) -> Tensor:
    chosen = integers(node.get("axes") if axes is None else axes)
    rank = value.ndim + len(chosen)
    for axis in sorted(axis % rank for axis in chosen):
        value = value.unsqueeze(axis)
    return value


def _concat(node: Node, *values: Tensor) -> Tensor:
    widest = max(values, key=lambda value: value.ndim and value.device.type != "cpu")
    return torch.cat([value.to(widest.device) for value in values], dim=node.get("axis"))


def _split(node: Node, value: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
    axis = node.get("axis", 0)
    given = node.get("split") if sizes is None else integers(sizes)
    if given is None:
        each = -(-value.shape[axis] // len(node.outputs))
        return value.split(each, dim=axis)
    return value.split(list(given), dim=axis)


def _slice(
    node: Node,
    value: Tensor,
    starts: Tensor | None = None,
    ends: Tensor | None = None,
    axes: Tensor | None = None,
    steps: Tensor | None = None,
) -> Tensor:
    begin = integers(node.get("starts") if starts is None else starts)
    end = integers(node.get("ends") if ends is None else ends)
    given_axes = node.get("axes") if axes is None else integers(axes)
    along = range(len(begin)) if given_axes is None else given_axes
    strides = [1] * len(begin) if steps is None else integers(steps)
    for first, last, axis, step in zip(begin, end, along, strides, strict=True):
        size = value.shape[axis]
        if step > 0:
            index: list[slice] = [slice(None)] * value.ndim
            index[axis] = slice(first, last, step)
            value = value[tuple(index)]
        else:
            # torch has no negative steps, so the indices are listed.
            chosen = torch.tensor(list(range(size))[slice(first, last if last > -size - 1 else None, step)])
            value = value.index_select(axis, chosen.to(torch.int64).to(value.device))
    return value


def _expand(node: Node, value: Tensor, shape: Tensor) -> Tensor:
    target = torch.broadcast_shapes(value.shape, tuple(integers(shape)))
    check_elements(target, "Expand")
    return value.expand(target)


def _tile(node: Node, value: Tensor, repeats: Tensor) -> Tensor:
    times = integers(repeats)
    check_elements([size * time for size, time in zip(value.shape, times, strict=True)], "Tile")
    return value.repeat(times)


def _constant_of_shape(node: Node, shape: Tensor) -> Tensor:
    sizes, value = integers(shape), node.get("value")
    check_elements(sizes, "ConstantOfShape")
    return torch.zeros(sizes) if value is None else value.reshape(()).expand(sizes).clone()


def _range(node: Node, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    if delta.item() == 0:
        raise InputError("Range: expected a delta other than 0, got 0")
    count = max(0, math.ceil((limit.item() - start.item()) / delta.item()))
    check_elements([count], "Range")
    return start + delta * torch.arange(count)


#: Functions by operator.
FUNCTIONS: dict[str, Function] = {
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Expand": _expand,
    "Tile": _tile,
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "Shape": lambda node, value: torch.tensor(value.shape[node.get("start", 0) : node.get("end")]),
    "Size": lambda node, value: torch.tensor(value.numel()),
    "Transpose": lambda node, value: value.permute(node.get("perm") or tuple(reversed(range(value.ndim)))),
}
