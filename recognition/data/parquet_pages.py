"""The sizes of a Parquet file's pages, read before they are decompressed.

A page's header says how many bytes it has once it is decompressed, whatever the file's metadata says of the
whole column. A reader allocates and fills them: kilobytes become gigabytes.

Source: parquet.thrift of the Parquet format.
"""

from collections.abc import Iterable
from typing import IO

from recognition.data.thrift import CompactStructure

#: Most pages of a file; one of 64 GiB in pages of 1 MB has 64,000.
MAX_PAGES = 200_000
#: Largest header of a page in bytes, and the usual ones, whose statistics are of numbers.
_MAX_HEADER, _USUAL_HEADER = 1 << 16, 256
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
        header = CompactStructure(data)
        sizes = header.integers()
    except ValueError:
        header = CompactStructure(data + file.read(_MAX_HEADER))
        sizes = header.integers()
    return header.position, sizes
