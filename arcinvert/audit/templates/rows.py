"""What the readers of templates share: limits, and the check of rows."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InputError
from recognition.files import printable

#: Largest file of templates in bytes: sixteen million templates of 512 float32 numbers have 32 GB.
MAX_BYTES = 64 << 30
#: Most templates of a file.
MAX_ROWS = 20_000_000
#: Templates that are read at once.
BLOCK_ROWS = 1024
#: Longest identity in characters.
MAX_NAME = 1000

#: Templates, (rows, dim), and their identities; None where the file has none.
Block = tuple[NDArray[np.floating], list[str] | None]


def unit_rows(path: Path, rows: NDArray[np.floating], begin: int) -> NDArray[np.float32]:
    """Return templates with unit norm.

    Args:
        path: Their file.
        rows: Shape (rows, dim).
        begin: The number of the first one in the file.

    Raises:
        InputError: If one is zero or not finite.
    """
    values = rows.astype(np.float64)
    largest = np.abs(values).max(1, keepdims=True)
    wrong = np.flatnonzero(~np.isfinite(largest) | (largest == 0))
    if len(wrong):
        raise InputError(
            f"{printable(path)}: expected finite, non-zero templates, got another in row {begin + wrong[0]}; "
            "remove it"
        )
    # By the largest number first: a norm's squares could leave the range.
    values /= largest
    unit: NDArray[np.float32] = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
    return unit


def identity(path: Path, value: object, row: int) -> str:
    """Return the identity in a cell.

    Raises:
        InputError: If it is no text and no whole number, or too long.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(
            f"{printable(path)}: expected identities as texts or whole numbers, got {type(value).__name__} "
            f"in row {row}"
        )
    # Numbers first: those of thousands of digits cannot become a text.
    if isinstance(value, int) and value.bit_length() > 128:
        raise InputError(f"{printable(path)}: expected identities of 64 bits, got a longer one in row {row}")
    name = str(value)
    if len(name) > MAX_NAME:
        raise InputError(
            f"{printable(path)}: expected identities of at most {MAX_NAME} characters, got {len(name):,} in "
            f"row {row}"
        )
    return name


def wrong_size(path: Path, dim: int, found: str) -> InputError:
    """Return the error of templates that the network does not make."""
    return InputError(
        f"{printable(path)}: expected templates of {dim} real numbers, as the network makes them, got "
        f"{found}; check --model"
    )
