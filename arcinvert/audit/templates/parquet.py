"""Templates in a Parquet file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from arcinvert.audit.templates.parquet_pages import largest_page
from arcinvert.audit.templates.rows import BLOCK_ROWS, MAX_ROWS, Block, identity, wrong_size
from recognition.errors import InputError, one_line
from recognition.files import open_regular, printable

#: Bytes of templates that any file may hold, and how often more than it has bytes itself: equal rows are
#: compressed so well that a file of kilobytes could fill the memory.
_FREE_BYTES, _MOST_COMPRESSED = 256 << 20, 8
#: Bytes of a page once it is decompressed, beside `_MOST_COMPRESSED` times the file; usual are 1 MB.
MAX_PAGE = 64 << 20
#: Largest metadata of a file, as Thrift counts it: bytes of one text, and items of one list.
_MAX_STRING, _MAX_ITEMS = 16 << 20, 1_000_000


def read_parquet(path: Path, dim: int, *, template_column: str, id_column: str) -> Iterator[Block]:
    """Yield the rows of the two columns.

    Raises:
        InputError: If pyarrow is missing, or the file is no such Parquet file.
    """
    try:
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            f"{printable(path)}: Parquet needs pyarrow, which is not installed; pip install "
            "'arcinvert[parquet]'"
        ) from None
    count = 0
    try:
        with pyarrow.parquet.ParquetFile(
            path, thrift_string_size_limit=_MAX_STRING, thrift_container_size_limit=_MAX_ITEMS
        ) as file:
            _check_types(path, file.schema_arrow, template_column, id_column)
            budget = _check_sizes(path, file.metadata, template_column, dim)
            _check_pages(path, file.metadata, (template_column, id_column))
            for batch in file.iter_batches(
                batch_size=BLOCK_ROWS, columns=[template_column, id_column], use_threads=False
            ):
                rows = _rows(path, batch.column(template_column), dim)
                names = batch.column(id_column).to_pylist()
                yield rows, [identity(path, name, count + row) for row, name in enumerate(names)]
                count += len(rows)
                if count > budget:
                    raise InputError(f"{printable(path)}: damaged: has more rows than it says; write it anew")
    except InputError:
        raise
    except Exception as error:
        # pyarrow raises any type on damaged files.
        raise _no_parquet(path, template_column, id_column, one_line(error)) from None


def _no_parquet(path: Path, template_column: str, id_column: str, reason: str) -> InputError:
    return InputError(
        f"{printable(path)}: expected Parquet with the columns {template_column!r} and {id_column!r} "
        f"({reason})"
    )


def _check_types(path: Path, schema: Any, template_column: str, id_column: str) -> None:
    """Check the columns' types before a value is read.

    Raises:
        InputError: If the columns are not lists of numbers, and texts or whole numbers.
    """
    import pyarrow.types as types

    for name in (template_column, id_column):
        if schema.names.count(name) != 1:
            raise _no_parquet(path, template_column, id_column, f"found no column {name!r}")
    found = schema.field(template_column).type
    lists = types.is_list(found) or types.is_large_list(found) or types.is_fixed_size_list(found)
    if not lists or not (types.is_floating(found.value_type) or types.is_integer(found.value_type)):
        raise InputError(
            f"{printable(path)}: expected lists of numbers in {template_column!r}, got {str(found)[:60]}"
        )
    found = schema.field(id_column).type
    value = found.value_type if types.is_dictionary(found) else found
    if not (types.is_string(value) or types.is_large_string(value) or types.is_integer(value)):
        raise InputError(
            f"{printable(path)}: expected texts or whole numbers in {id_column!r}, got {str(found)[:60]}"
        )


def _check_sizes(path: Path, metadata: Any, template_column: str, dim: int) -> int:
    """Return the number of rows of a file, as its metadata says.

    Raises:
        InputError: If it is too large, or its lists are not of `dim` numbers.
    """
    rows = int(metadata.num_rows)
    most = _FREE_BYTES + _MOST_COMPRESSED * path.stat().st_size
    if rows > MAX_ROWS or rows * dim * 4 > most:
        raise InputError(
            f"{printable(path)}: expected at most {min(MAX_ROWS, most // (dim * 4)):,} templates in a file "
            f"of this size, got {rows:,}; write it without compression"
        )
    for group in range(metadata.num_row_groups):
        part = metadata.row_group(group)
        for index in range(part.num_columns):
            column = part.column(index)
            name, values = column.path_in_schema.split(".")[0], column.num_values
            if name == template_column and values > part.num_rows * dim:
                raise wrong_size(path, dim, f"{values:,} numbers in {part.num_rows:,} rows")
    return rows


def _check_pages(path: Path, metadata: Any, names: tuple[str, ...]) -> None:
    """Check the sizes of the pages of some columns before they are decompressed.

    Raises:
        InputError: If a page is too large.
        ValueError: If the header of a page is damaged.
    """
    most = MAX_PAGE + _MOST_COMPRESSED * path.stat().st_size
    parts = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    columns = [part.column(number) for part in parts for number in range(part.num_columns)]
    places = [
        (column.dictionary_page_offset or column.data_page_offset, column.total_compressed_size)
        for column in columns
        if column.path_in_schema.split(".")[0] in names
    ]
    with open_regular(path, "a Parquet file") as file:
        size = largest_page(file, places)
    if size > most:
        raise InputError(
            f"{printable(path)}: expected pages of at most {most:,} bytes in a file of this size, got one of "
            f"{size:,}; write it without compression"
        )


def _rows(path: Path, column: Any, dim: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a column of lists as (rows, dim)."""
    import pyarrow.types as types

    if column.null_count:
        raise wrong_size(path, dim, "rows without a template")
    if types.is_fixed_size_list(column.type):
        lengths = {column.type.list_size}
    else:
        lengths = set(np.diff(column.offsets.to_numpy()).tolist())
    if len(lengths) > 1:
        raise InputError(f"{printable(path)}: expected templates of one length, got several lengths")
    if lengths - {dim}:
        raise wrong_size(path, dim, f"{next(iter(lengths))}")
    values = column.flatten()
    if values.null_count:
        raise wrong_size(path, dim, "missing ones")
    numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
    return np.asarray(numbers.reshape(-1, dim))
