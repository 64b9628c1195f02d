"""Long work that may no longer be needed: it looks often whether it shall end, in the thread that does it."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

_local = threading.local()


@contextlib.contextmanager
def interruptible(check: Callable[[], None]) -> Iterator[None]:
    """Call a function often while this thread works; what it raises ends the work, as Ctrl-C would.

    It is called wherever `may_end` is, and before each module of a network computes.

    Args:
        check: What is called. An exception that is no `Exception` passes whatever catches errors of files.
    """
    from torch.nn.modules.module import register_module_forward_pre_hook

    before: list[Callable[[], None]] = getattr(_local, "checks", [])
    _local.checks = [*before, check]
    thread = threading.get_ident()

    def hook(module: Any, inputs: Any) -> None:
        # Networks compute in other threads too.
        if threading.get_ident() == thread:
            check()

    handle = register_module_forward_pre_hook(hook)
    try:
        yield
    finally:
        handle.remove()
        _local.checks = before


def may_end() -> None:
    """Let the work of this thread end here, if it is interruptible and shall end."""
    for check in getattr(_local, "checks", ()):
        check()
