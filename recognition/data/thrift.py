"""Structures in Thrift's compact protocol, read without their definitions.

Source: Apache Thrift, doc/specs/thrift-compact-protocol.md.
"""

from typing import Any

#: Types of fields.
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_INTEGERS = (4, 5, 6)


class CompactStructure:
    """Reads the structure at the beginning of some bytes; `position` is where it ends.

    Args:
        data: Begins with a structure in Thrift's compact protocol.
    """

    #: Deepest nesting of structures and lists; a page's header has three, and a file's footer nine.
    DEPTH = 12

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def integers(self, depth: int = 0) -> dict[int, int]:
        """Return the integers among a structure's fields, by the fields' numbers; the others are skipped.

        Raises:
            ValueError: If it is damaged.
        """
        if depth > self.DEPTH:
            raise ValueError("structures nested too deeply")
        found: dict[int, int] = {}
        number = 0
        while kind := self._byte():
            number = number + (kind >> 4) if kind >> 4 else self._zigzag()
            if kind & 15 in _INTEGERS:
                found[number] = self._zigzag()
            else:
                self._skip(kind & 15, depth)
        return found

    def fields(self, depth: int = 0) -> dict[int, Any]:
        """Return a structure's fields by their numbers: integers, bytes, and lists and structures of these.

        Those of other types are None.

        Raises:
            ValueError: If it is damaged.
        """
        if depth > self.DEPTH:
            raise ValueError("structures nested too deeply")
        found: dict[int, Any] = {}
        number = 0
        while kind := self._byte():
            number = number + (kind >> 4) if kind >> 4 else self._zigzag()
            found[number] = self._value(kind & 15, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:
        if kind in _INTEGERS:
            return self._zigzag()
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind == _STRUCT:
            return self.fields(depth + 1)
        if kind in (_LIST, _SET):
            first = self._byte()
            count = first >> 4 if first >> 4 < 15 else self._varint()
            kind = _BYTE if first & 15 in (_TRUE, _FALSE) else first & 15
            if depth > self.DEPTH:
                raise ValueError("lists nested too deeply")
            return [self._value(kind, depth + 1) for _ in range(count)]
        self._skip(kind, depth)
        return None

    def _skip(self, kind: int, depth: int) -> None:
        if kind in (_TRUE, _FALSE):
            return
        if kind == _BYTE:
            self._byte()
        elif kind == _DOUBLE:
            self._bytes(8)
        elif kind == _BINARY:
            self._bytes(self._varint())
        elif kind in _INTEGERS:
            self._varint()
        elif kind == _STRUCT:
            self.integers(depth + 1)
        elif kind in (_LIST, _SET):
            first = self._byte()
            count = first >> 4 if first >> 4 < 15 else self._varint()
            if depth > self.DEPTH:
                raise ValueError("lists nested too deeply")
            for _ in range(count):
                # In a list, a truth takes a byte.
                self._skip(_BYTE if first & 15 in (_TRUE, _FALSE) else first & 15, depth + 1)
        else:
            raise ValueError(f"a field of an unknown type, {kind}")

    def _byte(self) -> int:
        if not 0 <= self.position < len(self._data):
            raise ValueError("a structure that is cut off or too long")
        self.position += 1
        return self._data[self.position - 1]

    def _bytes(self, count: int) -> bytes:
        begin, self.position = self.position, self.position + count
        if self.position > len(self._data):
            raise ValueError("a structure that is cut off or too long")
        return self._data[begin : self.position]

    def _varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            part = self._byte()
            value |= (part & 127) << shift
            if part < 128:
                return value
        raise ValueError("a number of more than ten bytes")

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
