"""Paths for the tests of lists and splits."""

from pathlib import Path


def listed(name: str, count: int) -> list[Path]:
    """Return paths with the names of LFW; the files need not exist."""
    return [Path(f"lfw/{name}/{name}_{number:04}.png") for number in range(1, count + 1)]
