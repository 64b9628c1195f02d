"""Modules without memory and without random weights, for those that get a file's weights."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

#: Some functions of `torch.nn.init` call these without being seen themselves.
_DRAWING = (torch.Tensor.normal_, torch.Tensor.uniform_)


class _NothingDrawn(TorchFunctionMode):
    """Leaves tensors as they are where `torch.nn.init` would fill them."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if func in _DRAWING or getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else given["tensor"]
        return func(*args, **given)


@contextlib.contextmanager
def undrawn_weights() -> Iterator[None]:
    """Build modules on the meta device: their tensors have a shape and no content.

    Initial weights are not drawn. Without content, torch would draw normal numbers by means of its compiler,
    whose import takes seconds.
    """
    with torch.device("meta"), _NothingDrawn():
        yield
