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
#: The operations that torch's reader has of those that store the top of a pickle's stack, fetch what was
#: stored, and have a text; and those that it has not.
_PUTS, _GETS, _TEXT = ("BINPUT", "LONG_BINPUT"), ("BINGET", "LONG_BINGET"), "BINUNICODE"
_OTHERS = ("PUT", "GET", "MEMOIZE", "STACK_GLOBAL")
#: Longest text that may be made bytes of again and again: those of one number have 8.
_MAX_AGAIN = 16


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


class EncodeCheck:
    """Follows the calls of `_codecs.encode` in a pickle, which torch makes whatever they ask for.

    A call must be the one that Python writes for bytes: the function, a text and `latin1`, one after the
    other. So it makes no more bytes than its text has characters in the file, or `_MAX_AGAIN` of an earlier
    text.
    """

    def __init__(self) -> None:
        #: Where the function and short texts are stored.
        self._functions: set[int] = set()
        self._texts: dict[int, str] = {}
        #: How many parts of a call were read: the function, its text, the encoding, and their tuple.
        self._parts = 0
        #: The text on top of the stack, if the last operation put one there.
        self._text: str | None = None

    def follow(self, operation: str, argument: Any) -> None:
        """Take the next operation.

        Raises:
            pickle.UnpicklingError: If it makes another call.
        """
        if operation in _OTHERS:
            raise pickle.UnpicklingError
        if operation in _PUTS:
            self._store(argument)
            return
        is_function = operation == "GLOBAL" and argument == ENCODE.replace(".", " ")
        self._text = argument if operation == _TEXT else None
        if operation in _GETS:
            is_function, self._text = argument in self._functions, self._texts.get(argument)
        if self._parts == 0:
            self._parts = int(is_function)
        elif (
            (self._parts == 1 and self._text is not None)
            or (self._parts == 2 and self._text == "latin1")
            or (self._parts == 3 and operation == "TUPLE2")
        ):
            self._parts += 1
        elif self._parts == 4 and operation == "REDUCE":
            self._parts = 0
        else:
            raise pickle.UnpicklingError

    def _store(self, place: int) -> None:
        self._functions.discard(place)
        self._texts.pop(place, None)
        if self._parts == 1:
            self._functions.add(place)
        elif self._text is not None and len(self._text) <= _MAX_AGAIN:
            self._texts[place] = self._text


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
