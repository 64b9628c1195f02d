"""The check of a number against an open interval, for parts that take numeric options."""

import math

from recognition.errors import InputError


def check_range(name: str, value: float, low: float, high: float, *, includes_low: bool = False) -> None:
    """Check that low < value < high, or low <= value < high.

    Args:
        name: What the error message calls the value.
        value: The number to check.
        low: Lower end of the interval.
        high: Upper end of the interval, excluded; may be infinite.
        includes_low: Whether `low` itself is allowed.

    Raises:
        InputError: If the value is outside the interval or not a number.
    """
    if (low < value or (includes_low and value == low)) and value < high:
        return
    if high == math.inf:
        expected = "0 or more" if includes_low else "a positive number"
    else:
        expected = f"{'from' if includes_low else 'above'} {low:g} to below {high:g}"
    raise InputError(f"{name}: expected {expected}, got {value}")
