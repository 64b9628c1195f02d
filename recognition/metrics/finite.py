"""The check that measured values are numbers: a comparison with NaN is false, and would count as rejected."""

import numpy as np
from numpy.typing import NDArray

from recognition.errors import NotFiniteError


def check_finite(what: str, *arrays: NDArray[np.floating]) -> None:
    """Check that all values are finite.

    Args:
        what: What the error message calls the values.
        arrays: The values, of any shape.

    Raises:
        NotFiniteError: If a value is infinite or not a number.
    """
    # A sum is finite where all values are, unless it overflows; only then are the values looked at.
    with np.errstate(invalid="ignore", over="ignore"):
        if all(np.isfinite(values.sum(dtype=np.float64)) for values in arrays):
            return
    wrong = sum(int((~np.isfinite(values)).sum()) for values in arrays)
    if wrong:
        total = sum(values.size for values in arrays)
        raise NotFiniteError(
            f"{what}: expected finite numbers, got {wrong:,} of {total:,} that are infinite or not a number; "
            "check the network and its precision"
        )
