"""The sizes of a Parquet file's pages, read before they are decompressed.

A page's header says how many bytes it has once it is decompressed, whatever the file's metadata says of the
whole column. A reader allocates and fills them: kilobytes become gigabytes.

Source: parquet.thrift of the Parquet format, and Thrift's compact protocol.
"""

from collections.abc import Iterable
from typing import IO

#: Most pages of a file; one of 64 GiB in pages of 1 MB has 64,000.
MAX_PAGES = 200_000
#: Largest header of a page in bytes, and the usual ones, whose statistics are of numbers.
_MAX_HEADER, _USUAL_HEADER = 1 << 16, 256
#: Types of fields in Thrift's compact protocol.
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_INTEGERS = (4, 5, 6)
#: Fields of a page's header.
_UNCOMPRESSED_SIZE, _COMPRESSED_SIZE = 2, 3


def largest_page(file: IO[bytes], columns: Iterable[tuple[int, int]]) -> int:
    """Return the size in bytes of the largest page of some columns once it is decompressed.

    Args:
        file: The Parquet file.
        columns: Where each column's pages begin, and the bytes of all its pages with their headers.

    Raises:
        ValueError: If a header is damaged or has a size below zero, or there are more than `MAX_PAGES`.
    """
    largest = pages = 0
    for begin, length in columns:
        end = begin + length
        while begin < end:
            header, sizes = _read_header(file, begin)
            uncompressed, compressed = sizes.get(_UNCOMPRESSED_SIZE, -1), sizes.get(_COMPRESSED_SIZE, -1)
            pages += 1
            if min(uncompressed, compressed) < 0 or pages > MAX_PAGES:
                raise ValueError("a page without a size, or too many pages")
            largest = max(largest, uncompressed)
            begin += header + compressed
    return largest


def _read_header(file: IO[bytes], begin: int) -> tuple[int, dict[int, int]]:
    """Return the length in bytes of a page's header, and the integers in it."""
    file.seek(begin)
    data = file.read(_USUAL_HEADER)
    try:
        header = _Header(data)
        sizes = header.integers()
    except ValueError:
        header = _Header(data + file.read(_MAX_HEADER))
        sizes = header.integers()
    return header.position, sizes


class _Header:
    """Reads the structure at the beginning of some bytes; `position` is where it ends.

    Args:
        data: Begins with a structure in Thrift's compact protocol.
    """

    #: Deepest nesting of structures; a page's header has three.
    DEPTH = 8

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

    def _skip(self, kind: int, depth: int) -> None:
        if kind in (_TRUE, _FALSE):
            return
        if kind == _BYTE:
            self._byte()
        elif kind == _DOUBLE:
            self.position += 8
        elif kind == _BINARY:
            length = self._varint()
            self.position += length
        elif kind in _INTEGERS:
            self._varint()
        elif kind == _STRUCT:
            self.integers(depth + 1)
        elif kind in (_LIST, _SET):
            first = self._byte()
            count = first >> 4 if first >> 4 < 15 else self._varint()
            for _ in range(min(count, _MAX_HEADER)):
                # In a list, a truth takes a byte.
                self._skip(_BYTE if first & 15 in (_TRUE, _FALSE) else first & 15, depth + 1)
        else:
            raise ValueError(f"a field of an unknown type, {kind}")

    def _byte(self) -> int:
        if not 0 <= self.position < len(self._data):
            raise ValueError("a header of a page that is cut off or too long")
        self.position += 1
        return self._data[self.position - 1]

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
