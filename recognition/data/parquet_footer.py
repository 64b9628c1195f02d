"""What a Parquet file's footer says of its columns, without pyarrow.

pyarrow's own view of a column ends the process where a damaged file's statistics of sizes do not fit its
schema.

Source: parquet.thrift of the Parquet format (FileMetaData, RowGroup, ColumnChunk, ColumnMetaData).
"""

import os
from typing import IO, Any, NamedTuple

from recognition.data.thrift import CompactStructure

#: Bytes at a file's end: the footer's length, and the format's name.
_END = 8
#: Largest footer in bytes: of 40,000 columns of row groups.
_MAX_FOOTER = 8 << 20
#: Fields of the file, of a row group, of a column of it, and of that one's metadata.
_ROW_GROUPS, _COLUMNS, _METADATA = 4, 1, 3
_PATH, _VALUES, _UNPACKED, _PACKED, _DATA, _DICTIONARY = 3, 5, 6, 7, 9, 11


class ColumnChunk(NamedTuple):
    """A column in one row group.

    Args:
        column: The name of the column, of nested ones of the outermost.
        values: The number of its values.
        unpacked: Bytes of its pages once they are decompressed.
        packed: Bytes of its pages, with their headers.
        begin: Where its pages begin in the file.
    """

    column: str
    values: int
    unpacked: int
    packed: int
    begin: int


def column_chunks(file: IO[bytes]) -> list[list[ColumnChunk]]:
    """Return the columns of each row group of a Parquet file.

    Raises:
        ValueError: If the footer is damaged, or too large.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _END))
    length = int.from_bytes(file.read(4), "little")
    if length > min(size - _END, _MAX_FOOTER):
        raise ValueError(f"a footer of {length:,} bytes, of at most {_MAX_FOOTER:,}")
    file.seek(size - _END - length)
    try:
        groups = CompactStructure(file.read(length)).fields()[_ROW_GROUPS]
        return [[_chunk(column[_METADATA]) for column in group[_COLUMNS]] for group in groups]
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError(f"a footer without what it must have ({type(error).__name__})") from None


def _chunk(metadata: dict[int, Any]) -> ColumnChunk:
    path = metadata[_PATH][0].decode(errors="surrogateescape")
    values, unpacked, packed, data = (metadata[field] for field in (_VALUES, _UNPACKED, _PACKED, _DATA))
    chunk = ColumnChunk(path, values, unpacked, packed, metadata.get(_DICTIONARY) or data)
    if min(chunk[1:]) < 0:
        raise ValueError("a column of a size below zero")
    return chunk
