"""Templates in a .npy file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.templates.rows import BLOCK_ROWS, Block, identities_of, wrong_size
from arcinvert.subjects.templates import map_npy


def read_npy(path: Path, dim: int) -> Iterator[Block]:
    """Yield the rows of an array, (dim,) or (n, dim).

    Raises:
        InputError: If it is no array of real numbers, or of another shape.
    """
    yield from array_blocks(path, map_npy(path), dim)


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
