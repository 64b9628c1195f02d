"""Limits on untrusted files: declared sizes are checked before anything of that size is allocated."""

import contextlib
import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from recognition.errors import InputError

#: Most elements of one tensor, 1 GiB of float32. IResNet-200's largest activation of two images has 1.6
#: million.
MAX_ELEMENTS = 1 << 28
#: Largest side of the square input in pixels.
MAX_INPUT_SIZE = 1024


def check_elements(shape: Sequence[int], what: str) -> None:
    """Check that a tensor of this shape has at most `MAX_ELEMENTS`.

    Raises:
        InputError: If it would be larger or a side is negative.
    """
    if any(side < 0 for side in shape) or math.prod(shape) > MAX_ELEMENTS:
        raise InputError(f"{what}: expected a tensor of at most {MAX_ELEMENTS:,} elements, got {list(shape)}")


class _SizeGuard(TorchDispatchMode):
    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        outputs = func(*args, **(kwargs or {}))
        for output in outputs if isinstance(outputs, tuple | list) else (outputs,):
            if isinstance(output, Tensor):
                check_elements(output.shape, str(func))
        return outputs


def size_guard() -> contextlib.AbstractContextManager[Any]:
    """Return a context that refuses every tensor above the limit.

    On torch's meta device that happens before anything is allocated.
    """
    # torch's class has no annotations.
    guard: contextlib.AbstractContextManager[Any] = cast(Any, _SizeGuard)()
    return guard


def on_meta(value: Any) -> Any:
    """Return a tensor on the meta device, with its shape and dtype alone; any other value as it is."""
    return value.to("meta") if isinstance(value, Tensor) else value


def meta_state(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return a module's parameters and buffers on the meta device, for `torch.func.functional_call`."""
    return {key: on_meta(value) for key, value in (*module.named_parameters(), *module.named_buffers())}
