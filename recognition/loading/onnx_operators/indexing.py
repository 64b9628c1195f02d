"""ONNX operators that take or put values at indices, as torch functions."""

import torch
from torch import Tensor

from recognition.errors import InputError
from recognition.loading.limits import check_elements
from recognition.loading.onnx_operators.base import Function, Node, torch_type

#: ONNX's names of the ways to combine values at one place, as torch's.
_REDUCTIONS = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}


def _gather(node: Node, value: Tensor, indices: Tensor) -> Tensor:
    axis = node.get("axis", 0) % value.ndim
    chosen = _from_start(indices.to(value.device, torch.int64), value.shape[axis])
    taken = value.index_select(axis, chosen.reshape(-1))
    return taken.reshape([*value.shape[:axis], *indices.shape, *value.shape[axis + 1 :]])


def _from_start(indices: Tensor, size: int) -> Tensor:
    """Return indices from 0, of those that may count from the end."""
    return torch.where(indices < 0, indices + size, indices)


def _gather_elements(node: Node, value: Tensor, indices: Tensor) -> Tensor:
    axis = node.get("axis", 0) % value.ndim
    return value.gather(axis, _from_start(indices.to(value.device, torch.int64), value.shape[axis]))


def _places(value: Tensor, indices: Tensor, first: int = 0) -> tuple[Tensor, ...]:
    """Return the last axis of indices as one index of each axis from `first` on."""
    parts = indices.to(value.device, torch.int64).unbind(-1)
    return tuple(_from_start(part, value.shape[first + axis]) for axis, part in enumerate(parts))


def _gather_nd(node: Node, value: Tensor, indices: Tensor) -> Tensor:
    batches = node.get("batch_dims", 0)
    if not batches:
        return value[_places(value, indices)]
    shape = value.shape[:batches]
    flat = value.reshape(-1, *value.shape[batches:])
    listed = indices.reshape(-1, *indices.shape[batches:])
    number = torch.arange(flat.shape[0], device=value.device)
    number = number.reshape(-1, *[1] * (listed.ndim - 2)).expand(listed.shape[:-1])
    taken = flat[(number, *_places(value, listed, batches))]
    return taken.reshape(*shape, *taken.shape[1:])


def _scatter_elements(node: Node, value: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    axis, reduction = node.get("axis", 0) % value.ndim, node.get("reduction", "none")
    chosen = _from_start(indices.to(value.device, torch.int64), value.shape[axis])
    updates = updates.to(value.device)
    if reduction == "none":
        return value.scatter(axis, chosen, updates)
    return value.scatter_reduce(axis, chosen, updates, _reduction(node, reduction))


def _scatter_nd(node: Node, value: Tensor, indices: Tensor, updates: Tensor) -> Tensor:
    reduction, updates = node.get("reduction", "none"), updates.to(value.device)
    places = _places(value, indices)
    if reduction in ("none", "add"):
        return value.index_put(places, updates, accumulate=reduction == "add")
    # Other reductions exist along one axis only, so that the indexed axes become one.
    sizes, rest = value.shape[: len(places)], value.shape[len(places) :]
    row = torch.zeros_like(places[0])
    for size, place in zip(sizes, places, strict=True):
        row = row * size + place
    flat, changes = value.reshape(sizes.numel(), -1), updates.reshape(row.numel(), -1)
    row = row.reshape(-1, 1).expand_as(changes)
    return flat.scatter_reduce(0, row, changes, _reduction(node, reduction)).reshape([*sizes, *rest])


def _reduction(node: Node, name: str) -> str:
    if name not in _REDUCTIONS:
        raise InputError(
            f"{node.operator}: expected reduction none or {', '.join(_REDUCTIONS)}, got {name!r}"
        )
    return _REDUCTIONS[name]


def _one_hot(node: Node, indices: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    classes = int(depth.item())
    axis = node.get("axis", -1) % (indices.ndim + 1)
    shape = list(indices.shape)
    check_elements([*shape[:axis], classes, *shape[axis:]], "OneHot")
    chosen = _from_start(indices.to(torch.int64), classes)
    steps = torch.arange(classes, device=indices.device)
    steps = steps.reshape([-1 if one == axis else 1 for one in range(indices.ndim + 1)])
    off, on = values.to(indices.device).unbind()
    return torch.where(chosen.unsqueeze(axis) == steps, on, off)


def _eye_like(node: Node, value: Tensor) -> Tensor:
    kind = value.dtype if node.get("dtype") is None else torch_type(node.get("dtype"))
    rows, columns = (torch.arange(size, device=value.device) for size in value.shape)
    return (columns - rows[:, None] == node.get("k", 0)).to(kind)


def _triangle(node: Node, value: Tensor, diagonal: Tensor | None = None) -> Tensor:
    first = 0 if diagonal is None else int(diagonal.item())
    return value.triu(first) if node.get("upper", 1) else value.tril(first)


def _largest(node: Node, value: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    axis, largest = node.get("axis", -1), bool(node.get("largest", 1))
    # Stable, so that of equal values the first one comes first, as ONNX has it.
    values, indices = value.sort(dim=axis, descending=largest, stable=True)
    number = int(count.item())
    return values.narrow(axis, 0, number), indices.narrow(axis, 0, number)


#: Functions by operator.
FUNCTIONS: dict[str, Function] = {
    "EyeLike": _eye_like,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "GatherND": _gather_nd,
    "OneHot": _one_hot,
    "ScatterElements": _scatter_elements,
    "ScatterND": _scatter_nd,
    "TopK": _largest,
    "Trilu": _triangle,
}
