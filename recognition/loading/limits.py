"""What a stranger's file may ask of this machine: declared sizes are checked before anything is allocated."""

import contextlib
import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from recognition.errors import InputError

#: Elements of one tensor, 1 GiB of float32; IResNet-200's largest activation of two images has 1.6 million.
MAX_ELEMENTS = 1 << 28
#: Side of the square input, pixels.
MAX_INPUT_SIZE = 1024


def check_elements(shape: Sequence[int], what: str) -> None:
    """Refuse a tensor of more than `MAX_ELEMENTS`.

    Raises:
        InputError: it would be larger, or a side is negative.
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
    """Refuses any tensor above the limit; on the meta device that is before it is allocated."""
    # torch's class has no annotations.
    guard: contextlib.AbstractContextManager[Any] = cast(Any, _SizeGuard)()
    return guard


def on_meta(value: Any) -> Any:
    """A tensor's shape and dtype on the meta device; anything else as it is."""
    return value.to("meta") if isinstance(value, Tensor) else value


def meta_state(module: torch.nn.Module) -> dict[str, Tensor]:
    """A module's parameters and buffers on the meta device, for `torch.func.functional_call`."""
    return {key: on_meta(value) for key, value in (*module.named_parameters(), *module.named_buffers())}
