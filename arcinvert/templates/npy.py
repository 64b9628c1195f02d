"""Templates in a .npy file."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.templates.rows import BLOCK_ROWS, MAX_BYTES, Block, identities_of, wrong_size
from recognition.errors import InputError, one_line
from recognition.files import check_regular, printable


def read_npy(path: Path, dim: int) -> Iterator[Block]:
    """Yield the rows of an array, (dim,) or (n, dim).

    Raises:
        InputError: If it is no array of real numbers, or of another shape.
    """
    yield from array_blocks(path, map_npy(path), dim)


def map_npy(path: Path) -> Any:
    """Return the array of a .npy file, which stays where it is.

    Raises:
        InputError: If there is no such file, or it is no .npy file of numbers.
    """
    check_regular(path, "a .npy file of templates", MAX_BYTES)
    try:
        # It is mapped, so that no size in its header allocates anything; numpy warns of one that overflows.
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            return np.lib.format.open_memmap(path, mode="r")
    except Exception as error:
        # A damaged header raises whatever the tokeniser, the parser or the allocator do.
        raise InputError(
            f"{printable(path)}: expected a .npy file of numbers, got something else "
            f"({one_line(error)}); save it with numpy.save"
        ) from None


def array_blocks(
    path: Path, array: NDArray[Any], dim: int, identities: list[object] | None = None
) -> Iterator[Block]:
    """Yield the rows of an array in blocks.

    Args:
        path: The file that it is from.
        array: Shape (dim,) or (n, dim).
        dim: Dimensions of a template.
        identities: The identity of each row; None where the file has none.

    Raises:
        InputError: If it is no array of real numbers, or of another shape.
    """
    if array.dtype.kind not in "fiu" or array.ndim not in (1, 2) or array.shape[-1] != dim:
        raise wrong_size(path, dim, f"an array of {array.dtype} {array.shape}")
    rows = np.atleast_2d(array)
    for begin in range(0, len(rows), BLOCK_ROWS):
        with np.errstate(invalid="ignore"):
            # What is no number is the fault of its row.
            templates = np.asarray(rows[begin : begin + BLOCK_ROWS], dtype=np.float64)
        if identities is None:
            yield Block(templates)
        else:
            yield Block(templates, *identities_of(identities[begin : begin + BLOCK_ROWS]))
