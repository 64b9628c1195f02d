"""Templates in a .npy file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from arcinvert.audit.templates.rows import BLOCK_ROWS, Block, wrong_size
from arcinvert.subjects.templates import map_npy


def read_npy(path: Path, dim: int) -> Iterator[Block]:
    """Yield the rows of an array, (dim,) or (n, dim).

    Raises:
        InputError: If it is no array of real numbers, or of another shape.
    """
    array = map_npy(path)
    if array.dtype.kind not in "fiu" or array.ndim not in (1, 2) or array.shape[-1] != dim:
        raise wrong_size(path, dim, f"an array of {array.dtype} {array.shape}")
    rows = np.atleast_2d(array)
    for begin in range(0, len(rows), BLOCK_ROWS):
        yield np.asarray(rows[begin : begin + BLOCK_ROWS], dtype=np.float64), None
