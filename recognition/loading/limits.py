"""Limits on untrusted files: declared sizes are checked before anything of that size is allocated."""

import contextlib
import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from recognition.errors import InputError

#: Most elements of one tensor, 1 GiB of float32. IResNet-200's largest activation of two images has 1.6
#: million.
MAX_ELEMENTS = 1 << 28
#: Bytes that the constants of a file may have: this many, and this many times the file's size.
CONSTANTS_FLOOR = 256 << 20
CONSTANTS_FACTOR = 4
#: Bytes of all activations of two images together. A ViT-L in primitive operators has 4 GiB of them,
#: IResNet-200 has 0.5 GiB.
MAX_ACTIVATIONS = 32 << 30
#: Bytes of the activations of two images at one time. IResNet-200 has 20 MB.
MAX_LIVE_ACTIVATIONS = 256 << 20


def check_elements(shape: Sequence[int], what: str) -> None:
    """Check that a tensor of this shape has at most `MAX_ELEMENTS`.

    Raises:
        InputError: If it would be larger or a side is negative.
    """
    if any(side < 0 for side in shape) or math.prod(shape) > MAX_ELEMENTS:
        raise InputError(f"{what}: expected a tensor of at most {MAX_ELEMENTS:,} elements, got {list(shape)}")


class Budget:
    """What one file may allocate: bytes of all its constants, stored and computed, and of its activations.

    Args:
        file_bytes: Size of the file. Constants may have `CONSTANTS_FLOOR` bytes and a few times this size,
            since they are widened to float32 and some are computed from others.
    """

    def __init__(self, file_bytes: int) -> None:
        self.constants = CONSTANTS_FLOOR + CONSTANTS_FACTOR * file_bytes
        self.activations = MAX_ACTIVATIONS
        self._most_constants = self.constants

    def add_constant(self, shape: Sequence[int], item_bytes: int, what: str) -> None:
        """Count a constant that is not allocated yet.

        Raises:
            InputError: If it is too large, or all constants together are.
        """
        check_elements(shape, what)
        self.constants -= math.prod(shape) * item_bytes
        if self.constants < 0:
            raise InputError(
                f"{what}: expected constants of at most {self._most_constants:,} bytes in all for a file of "
                "this size, got more"
            )

    def add_activation(self, shape: Sequence[int], item_bytes: int, what: str) -> None:
        """Count an activation of two images.

        Raises:
            InputError: If it is too large, or all activations together are.
        """
        check_elements(shape, what)
        self.activations -= math.prod(shape) * item_bytes
        if self.activations < 0:
            raise InputError(
                f"{what}: expected activations of at most {MAX_ACTIVATIONS:,} bytes in all for two images, "
                "got more"
            )


class _SizeGuard(TorchDispatchMode):
    def __init__(self, budget: Budget) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._budget = budget

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
        on_meta_device = any(value.is_meta for value in given) or kwargs.get("device") == torch.device("meta")
        if func.is_view:
            return func(*args, **kwargs)
        if on_meta_device:
            outputs = func(*args, **kwargs)
            for output in _tensors(outputs):
                self._budget.add_activation(output.shape, output.element_size(), str(func))
            return outputs
        self._count_constants(func, args, kwargs)
        return func(*args, **kwargs)

    def _count_constants(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Count what an operation on constants allocates, by its result on the meta device."""
        moved_args, moved = tree_map(on_meta, (args, kwargs))
        if not any(isinstance(value, Tensor) for value in tree_leaves((args, kwargs))):
            moved = {**moved, "device": torch.device("meta")}
        try:
            outputs = func(*moved_args, **moved)
        except (NotImplementedError, RuntimeError, TypeError):
            # Its result depends on values, or it fails for constants as well, which says what is wrong.
            return
        for output in _tensors(outputs):
            self._budget.add_constant(output.shape, output.element_size(), str(func))


def _tensors(outputs: Any) -> list[Tensor]:
    return [value for value in tree_leaves(outputs) if isinstance(value, Tensor)]


def size_guard(budget: Budget) -> contextlib.AbstractContextManager[Any]:
    """Return a context that counts every new tensor of a budget, and refuses those that exceed it.

    That happens before anything is allocated: activations are on torch's meta device, and the size of a
    constant is found there first.
    """
    # torch's class has no annotations.
    guard: contextlib.AbstractContextManager[Any] = cast(Any, _SizeGuard)(budget)
    return guard


def on_meta(value: Any) -> Any:
    """Return a tensor on the meta device, with its shape and dtype alone; any other value as it is."""
    return value.to("meta") if isinstance(value, Tensor) else value


def meta_state(module: torch.nn.Module) -> dict[str, Tensor]:
    """Return a module's parameters and buffers on the meta device, for `torch.func.functional_call`."""
    return {key: on_meta(value) for key, value in (*module.named_parameters(), *module.named_buffers())}
