"""Checks of what Python callers pass besides options, so that a wrong value is refused in one clear line."""

import operator
import os
from collections.abc import Callable, Collection
from typing import Any

from recognition.errors import InputError


def check_path(name: str, value: Any) -> None:
    """Raise an InputError unless a value is a path or None."""
    if value is not None and not isinstance(value, str | os.PathLike):
        raise InputError(f"{name}: expected a path, got {value!r}")


def check_word(name: str, value: Any, words: Collection[str]) -> None:
    """Raise an InputError unless a value is one of some words."""
    if not isinstance(value, str) or value not in words:
        raise InputError(f"{name}: expected one of {', '.join(words)}, got {value!r}")


def check_callback(name: str, value: Callable[..., Any] | None) -> None:
    """Raise an InputError unless a value can be called or is None."""
    if value is not None and not callable(value):
        raise InputError(f"{name}: expected a function, got {value!r}")


def whole_number(name: str, value: Any) -> int:
    """Return a value as an integer of Python; integers of numpy and torch are accepted, booleans are not.

    Raises:
        InputError: If it is something else.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise InputError(f"{name}: expected a whole number, got {value!r}") from None
