"""Numbers of NumPy in the pickle of a checkpoint, such as the best accuracy so far, without NumPy's own code.

A pickle rebuilds such a number by `numpy.core.multiarray.scalar(numpy.dtype("f8"), b"...")`. Both names are
given to the functions of this module, which make a plain number of Python and nothing else.
"""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

#: Types of numbers, by the text that their pickles have.
_NUMBERS = ("b1", *(f"{sign}{size}" for sign in "iu" for size in (1, 2, 4, 8)), "f2", "f4", "f8")
#: NumPy 1 and 2 call the module by these names.
_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
#: What makes bytes of a text in the pickles of torch.save, whose format has none.
ENCODE = "_codecs.encode"


class NumberType:
    """Stands in for `numpy.dtype`: a type of numbers.

    Args:
        text: Such as `f8`.

    Raises:
        pickle.UnpicklingError: If it is none of numbers.
    """

    def __init__(self, text: str, *_: Any) -> None:
        if text not in _NUMBERS:
            raise pickle.UnpicklingError
        self._dtype = np.dtype(text)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take the byte order, the second part of the state: `<`, `>` or `|`."""
        if state[1] not in ("<", ">", "|"):
            raise pickle.UnpicklingError
        self._dtype = self._dtype.newbyteorder(state[1])

    def number(self, content: bytes) -> bool | int | float:
        """Return the number whose bytes these are, all of them."""
        if type(content) is not bytes or len(content) != self._dtype.itemsize:
            raise pickle.UnpicklingError
        found: bool | int | float = np.frombuffer(content, self._dtype)[0].item()
        return found


def _scalar(kind: NumberType, content: bytes) -> bool | int | float:
    """Stand in for `numpy.core.multiarray.scalar`."""
    if type(kind) is not NumberType:
        raise pickle.UnpicklingError
    return kind.number(content)


#: What is called in place of NumPy's own, with the names in pickles.
STAND_INS: tuple[tuple[Callable[..., Any], str], ...] = (
    (NumberType, "numpy.dtype"),
    *((_scalar, f"{module}.scalar") for module in _MODULES),
)
#: All names that a number of NumPy needs.
NAMES = frozenset({ENCODE, *(name for _, name in STAND_INS)})
