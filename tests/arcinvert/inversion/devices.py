"""Devices that this machine lacks, as far as an attack can go wrong on them.

`other_device` has a memory of its own and no double precision, as MPS does: its tensors say that they are on
the meta device, for which PyTorch has all that a device needs, and compute with a tensor of the CPU inside.
`RecordedGraphs` stands for CUDA graphs: what is captured is replayed on the very same memory.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

#: What tensors of the other device name as theirs.
OTHER = torch.device("meta")
_aten = torch.ops.aten


class OtherTensor(Tensor):
    """A tensor on the other device."""

    inside: Tensor

    @staticmethod
    def __new__(cls, inside: Tensor) -> "OtherTensor":
        if inside.dtype == torch.float64:
            raise TypeError("the device has no double precision")
        made = Tensor._make_wrapper_subclass(
            cls, inside.shape, strides=inside.stride(), dtype=inside.dtype, device=OTHER
        )
        made.inside = inside.detach()
        return made

    def __repr__(self, **_: Any) -> str:
        return f"OtherTensor({self.inside!r})"

    @classmethod
    def __torch_dispatch__(
        cls, func: Any, types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return compute(func, args, dict(kwargs or {}))


#: The capture that is going on, if any.
_captures: list["_Capture"] = []


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run an operation on tensors of the CPU, and record it for a capture."""
    if not _captures:
        return func(*args, **kwargs)
    return _captures[-1].run(func, args, kwargs)


def compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Run an operation of PyTorch where at least one tensor, or the wanted device, is the other one."""
    values, _ = tree_flatten((args, kwargs))
    if func is _aten.copy_.default:
        into, given = args[0], args[1]
        for one in (into, given):
            assert isinstance(one, OtherTensor) or not one.is_meta
        _run(func, tuple(one.inside if isinstance(one, OtherTensor) else one for one in (into, given)), {})
        return into
    wanted = kwargs.get("device")
    stays = wanted is None or torch.device(wanted).type == OTHER.type
    for one in values:
        # A number of the CPU may meet a device's tensors; a tensor with more may not.
        if isinstance(one, Tensor) and not isinstance(one, OtherTensor) and one.ndim and wanted is None:
            raise RuntimeError(f"{func}: expected all tensors on one device, got one of the CPU")
    if wanted is not None:
        kwargs = kwargs | {"device": torch.device("cpu")}
    if stays and kwargs.get("dtype") == torch.float64:
        raise TypeError("the device has no double precision")
    inner = tree_map(lambda one: one.inside if isinstance(one, OtherTensor) else one, (args, kwargs))
    if not stays and _captures:
        raise RuntimeError("operation not permitted when stream is capturing: the host waits for a value")
    result = _run(func, *inner)
    # What is written in place is returned as the very tensor that was given.
    given = {id(one.inside): one for one in values if isinstance(one, OtherTensor)}
    if not stays:
        return tree_map(lambda one: one.clone() if isinstance(one, Tensor) else one, result)
    return tree_map(
        lambda one: given.get(id(one), OtherTensor(one) if isinstance(one, Tensor) else one), result
    )


class _Makes(TorchDispatchMode):
    """Makes tensors on the other device where a function is asked to."""

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        wanted, values = kwargs.get("device"), tree_flatten((args, kwargs))[0]
        concerned = wanted is not None and torch.device(wanted).type == OTHER.type
        if concerned or any(isinstance(one, OtherTensor) for one in values):
            return compute(func, args, kwargs)
        return func(*args, **kwargs)


class _Copies(TorchFunctionMode):
    """Copies data from and to the other device where PyTorch knows no subclass of tensors."""

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        device = kwargs.get("device")
        if func is torch.tensor and device is not None and torch.device(device).type == OTHER.type:
            return func(*args, **(kwargs | {"device": "cpu"})).to(OTHER)
        if func is Tensor.tolist and isinstance(args[0], OtherTensor):
            return args[0].inside.tolist()
        return func(*args, **kwargs)


@contextlib.contextmanager
def other_device() -> Iterator[torch.device]:
    """Have the other device for a while."""
    with _Copies(), _Makes():
        yield OTHER


class RecordedGraphs:
    """Stands for `torch.cuda` in a capture: records operations, undoes them, and replays them."""

    def __init__(self) -> None:
        self.operations: list[tuple[Any, Any, dict[str, Any], Any]] = []
        self.replays = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put this in the place of PyTorch's functions."""
        nothing: Callable[..., Any] = lambda *_: contextlib.nullcontext()  # noqa: E731
        for name in ("device", "stream"):
            monkeypatch.setattr(torch.cuda, name, nothing)
        for name in ("Stream", "current_stream"):
            monkeypatch.setattr(torch.cuda, name, lambda: self)
        monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: self)
        monkeypatch.setattr(torch.cuda, "graph", lambda graph, **_: _Capture(graph.operations))

    def wait_stream(self, other: Self) -> None:
        """Do nothing, as one stream after the other runs."""

    @torch.no_grad()
    def replay(self) -> None:
        """Run what was captured on the memory of then."""
        self.replays += 1
        for func, args, kwargs, before in self.operations:
            now = func(*args, **kwargs)
            if func._schema.is_mutable or _is_view(func):
                continue
            for one, other in zip(tree_flatten(before)[0], tree_flatten(now)[0], strict=True):
                if isinstance(one, Tensor):
                    one.copy_(other)


def _is_view(func: Any) -> bool:
    return any(one.alias_info is not None for one in func._schema.returns)


class _Capture:
    """Records operations on the other device; at its end, what they wrote is as it was before."""

    def __init__(self, operations: list[tuple[Any, Any, dict[str, Any], Any]]) -> None:
        self._operations = operations
        self._before: list[tuple[Tensor, Tensor]] = []

    def run(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Run an operation and record it."""
        if func in (_aten._local_scalar_dense.default, _aten.nonzero.default):
            raise RuntimeError("operation not permitted when stream is capturing: the host waits for a value")
        if func._schema.is_mutable:
            tensors = (one for one in tree_flatten((args, kwargs))[0] if isinstance(one, Tensor))
            self._before += [(one, one.clone()) for one in tensors]
        result = func(*args, **kwargs)
        self._operations.append((func, args, kwargs, result))
        return result

    def __enter__(self) -> None:
        _captures.append(self)

    @torch.no_grad()
    def __exit__(self, *error: object) -> None:
        _captures.remove(self)
        for one, value in reversed(self._before):
            one.copy_(value)
