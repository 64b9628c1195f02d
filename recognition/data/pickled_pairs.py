"""The pickle of a verification set, read without running it.

A pickle is a program for a small machine with a stack. Of its instructions these files need few: strings,
whole numbers, lists and tuples, and the calls by which numpy's arrays and Python 3's bytes are stored. These
are followed here, no object is made of anything else and nothing is imported; every other instruction and
every other name is refused. Images are not read but noted by where they lie, so that memory has some 200
bytes of each.

Source: the Python library, Lib/pickletools.py; numpy, numpy/_core/multiarray.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from io import BufferedReader
from typing import Any

#: Most objects of a file; CFP-FP has 21,000.
MOST_OBJECTS = 20_000_000
#: Bytes of the longest string whose content is looked at: the names of functions and of types.
_NAME = 64
_MARK, _NONE = object(), object()

_ARRAY, _TYPE = "ndarray", "dtype"
#: What is called, by the name that the file gives it. Modules of numpy have had two names.
_NAMES = {
    **{f"numpy.{core}.multiarray._reconstruct": "reconstruct" for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": "scalar" for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": "frombuffer" for core in ("core", "_core")},
    "numpy.ndarray": _ARRAY,
    "numpy.dtype": _TYPE,
    "_codecs.encode": "encode",
    "builtins.bytes": "bytes",
    "__builtin__.bytes": "bytes",
}


@dataclass(frozen=True)
class Span:
    """Where a string lies in the file.

    Args:
        offset: Its first byte.
        length: Its bytes.
        is_text: Whether the bytes are the UTF-8 of characters up to U+00FF, each of which stands for a byte:
            how Python 3 stores bytes for Python 2.
    """

    offset: int
    length: int
    is_text: bool = False


@dataclass(frozen=True)
class _Name:
    value: str


@dataclass
class _Array:
    """An array of numpy, whose content comes with a later instruction."""

    content: Span | None = None


@dataclass
class _Type:
    """A type of numpy's, by its code such as `u1`."""

    code: str


class PickledPairs:
    """Reads the two lists of a verification set: the images, and whether each two of them show one person.

    Args:
        file: The file, from its first byte.

    Raises:
        ValueError: If it has an instruction or a name that such files do not need, or is damaged.
    """

    def __init__(self, file: BufferedReader, size: int) -> None:
        self._file, self._size = file, size
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._count = 0

    def read(self) -> Any:
        """Return what is on the stack at the end: tuples and lists of spans, numbers and truths."""
        while True:
            code = self._file.read(1)
            if code == b".":
                if len(self._stack) != 1:
                    raise ValueError("a damaged stack")
                return self._stack[0]
            action = _ACTIONS.get(code)
            if action is None:
                raise ValueError(
                    f"the instruction {code!r}, which is not allowed" if code else "it is cut off"
                )
            action(self)
            self._count += 1
            if self._count > MOST_OBJECTS:
                raise ValueError(f"more than {MOST_OBJECTS:,} instructions")

    def _bytes(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise ValueError("it is cut off")
        return data

    def _number(self, count: int, *, signed: bool = False) -> int:
        return int.from_bytes(self._bytes(count), "little", signed=signed)

    def _pop(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise ValueError("a damaged stack")
        return self._stack.pop()

    def _marked(self) -> list[Any]:
        """Return what is above the last mark, and remove both."""
        for place in range(len(self._stack) - 1, -1, -1):
            if self._stack[place] is _MARK:
                items = self._stack[place + 1 :]
                del self._stack[place:]
                return items
        raise ValueError("a damaged stack")

    def push_string(self, width: int, *, is_text: bool = False) -> None:
        """Push a string whose length has `width` bytes; short ones are read, as they may be names."""
        length = self._number(width)
        span = Span(self._file.tell(), length, is_text)
        if span.offset + length > self._size:
            raise ValueError("it is cut off")
        if is_text and length <= _NAME:
            self._stack.append(self._bytes(length).decode("utf-8"))
        else:
            self._file.seek(length, 1)
            self._stack.append(span)

    def push_number(self, width: int, *, signed: bool = False) -> None:
        """Push a whole number of `width` bytes."""
        self._stack.append(self._number(width, signed=signed))

    def push(self, make: Callable[[], Any]) -> None:
        """Push a constant."""
        self._stack.append(make())

    def skip(self, count: int) -> None:
        """Skip an argument that does not matter: the version, and the length of a frame."""
        self._bytes(count)

    def memoise(self, width: int) -> None:
        """Keep the last object by a number, or by the next one."""
        number = self._number(width) if width else len(self._memo)
        if not self._stack:
            raise ValueError("a damaged stack")
        self._memo[number] = self._stack[-1]

    def recall(self, width: int) -> None:
        """Push an object by its number."""
        number = self._number(width)
        if number not in self._memo:
            raise ValueError("a damaged memo")
        self._stack.append(self._memo[number])

    def extend(self, *, one: bool = False) -> None:
        """Append what is above the mark, or one object, to the list below."""
        items = [self._pop()] if one else self._marked()
        target = self._stack[-1] if self._stack else None
        if not isinstance(target, list):
            raise ValueError("something else in place of a list")
        target.extend(items)

    def make_tuple(self, count: int | None = None) -> None:
        """Replace the last objects, or those above the mark, by a tuple."""
        items = self._marked() if count is None else [self._pop() for _ in range(count)][::-1]
        self._stack.append(tuple(items))

    def name(self, *, stacked: bool = False) -> None:
        """Push the name of a function or type."""
        if stacked:
            attribute, module = self._pop(), self._pop()
        else:
            module, attribute = (
                self._file.readline(_NAME).rstrip(b"\n").decode("ascii", "replace") for _ in range(2)
            )
        known = _NAMES.get(f"{module}.{attribute}")
        if known is None:
            raise ValueError(f"the name {module!s:.40}.{attribute!s:.40}, which is not allowed")
        self._stack.append(_Name(known))

    def call(self) -> None:
        """Replace a name and its arguments by what the call stands for."""
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            raise ValueError("a call of something else")
        self._stack.append(self._called(function.value, arguments))

    def _called(self, name: str, arguments: tuple[Any, ...]) -> Any:
        if name == "reconstruct" and arguments and arguments[0] == _Name(_ARRAY):
            return _Array()
        if name == _TYPE and arguments:
            return _Type(self._text(arguments[0]))
        if name == "frombuffer" and len(arguments) == 4:
            self._check_type(arguments[1])
            return _Array(self._span(arguments[0]))
        if name == "scalar" and len(arguments) == 2:
            return self._truth(*arguments)
        if name == "encode" and len(arguments) == 2 and self._text(arguments[1]) == "latin1":
            return self._encoded(arguments[0])
        if name == "bytes" and not arguments:
            return Span(0, 0)
        raise ValueError(f"a call of {name} with other arguments")

    def build(self) -> None:
        """Give an array its content; the state of a type says only its byte order."""
        state, target = self._pop(), self._stack[-1] if self._stack else None
        if isinstance(target, _Type):
            return
        if not isinstance(target, _Array) or not isinstance(state, tuple) or len(state) != 5:
            raise ValueError("a state of something else")
        self._check_type(state[2])
        target.content = self._span(state[4])

    def _check_type(self, found: Any) -> None:
        if not isinstance(found, _Type) or found.code not in ("u1", "|u1", "i1", "|i1"):
            raise ValueError("an array of something else than bytes")

    def _truth(self, kind: Any, value: Any) -> bool:
        if not isinstance(kind, _Type) or kind.code not in ("b1", "|b1", "?"):
            raise ValueError("a number of numpy's that is no truth")
        return self._content(self._span(value)) == b"\x01"

    def _encoded(self, value: Any) -> Any:
        if isinstance(value, Span) and value.is_text:
            return value
        return value.encode("latin1") if isinstance(value, str) else self._span(value)

    def _span(self, value: Any) -> Span:
        if isinstance(value, bytes):
            # A short one, which has been decoded.
            return _Short(0, len(value), content=value)
        if not isinstance(value, Span):
            raise ValueError("something else in place of bytes")
        return value

    def _text(self, value: Any) -> str:
        if isinstance(value, Span):
            return self._content(value).decode("ascii", "replace")
        return value if isinstance(value, str) else ""

    def _content(self, span: Span) -> bytes:
        """Return the bytes of a short string."""
        if isinstance(span, _Short):
            return span.content
        if span.length > _NAME:
            raise ValueError("a name that is too long")
        place = self._file.tell()
        self._file.seek(span.offset)
        data = self._bytes(span.length)
        self._file.seek(place)
        return data


@dataclass(frozen=True)
class _Short(Span):
    """A short string of bytes that was stored as text."""

    content: bytes = field(default=b"", kw_only=True)


def spans_of(items: list[Any]) -> list[Span]:
    """Return where images lie, of a list of strings or of arrays.

    Raises:
        ValueError: If it has something else.
    """
    found: list[Span] = []
    for item in items:
        span = item.content if isinstance(item, _Array) else item
        if not isinstance(span, Span) or isinstance(span, _Short):
            raise ValueError("something else in place of an image")
        found.append(span)
    return found


_Action = Callable[[PickledPairs], None]
#: What each allowed instruction does.
_ACTIONS: dict[bytes, _Action] = {
    b"\x80": lambda machine: machine.skip(1),
    b"\x95": lambda machine: machine.skip(8),
    b"(": lambda machine: machine.push(lambda: _MARK),
    b"]": lambda machine: machine.push(list),
    b")": lambda machine: machine.push(tuple),
    b"N": lambda machine: machine.push(lambda: _NONE),
    b"\x88": lambda machine: machine.push(lambda: True),
    b"\x89": lambda machine: machine.push(lambda: False),
    b"K": lambda machine: machine.push_number(1),
    b"M": lambda machine: machine.push_number(2),
    b"J": lambda machine: machine.push_number(4, signed=True),
    b"U": lambda machine: machine.push_string(1),
    b"T": lambda machine: machine.push_string(4),
    b"C": lambda machine: machine.push_string(1),
    b"B": lambda machine: machine.push_string(4),
    b"\x8e": lambda machine: machine.push_string(8),
    b"\x96": lambda machine: machine.push_string(8),
    b"X": lambda machine: machine.push_string(4, is_text=True),
    b"\x8c": lambda machine: machine.push_string(1, is_text=True),
    b"\x8d": lambda machine: machine.push_string(8, is_text=True),
    b"q": lambda machine: machine.memoise(1),
    b"r": lambda machine: machine.memoise(4),
    b"\x94": lambda machine: machine.memoise(0),
    b"h": lambda machine: machine.recall(1),
    b"j": lambda machine: machine.recall(4),
    b"a": lambda machine: machine.extend(one=True),
    b"e": lambda machine: machine.extend(),
    b"\x85": lambda machine: machine.make_tuple(1),
    b"\x86": lambda machine: machine.make_tuple(2),
    b"\x87": lambda machine: machine.make_tuple(3),
    b"t": lambda machine: machine.make_tuple(),
    b"c": lambda machine: machine.name(),
    b"\x93": lambda machine: machine.name(stacked=True),
    b"R": lambda machine: machine.call(),
    b"b": lambda machine: machine.build(),
}
