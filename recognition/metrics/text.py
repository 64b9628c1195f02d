"""How figures are written in one line: never without their interval."""

from collections.abc import Mapping
from typing import Any


def percent_text(figure: Mapping[str, Any]) -> str:
    """Return a share of an `Estimate`, given as a dictionary, in per cent with its interval."""
    return f"{figure['value']:.0%} [{figure['low']:.0%} to {figure['high']:.0%}]"


def interval_text(figure: Mapping[str, Any], digits: int = 3) -> str:
    """Return a figure of an `Estimate`, given as a dictionary, with its interval.

    One person's mean has none, and is written without.
    """
    value = f"{figure['value']:.{digits}f}"
    if figure["identities"] == 1 and figure["low"] == figure["high"]:
        return f"{value} [one person]"
    return f"{value} [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"
