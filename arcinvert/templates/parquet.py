"""Templates in a Parquet file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.templates.rows import BLOCK_ROWS, MAX_ROWS, Block, RowBuilder, identities_of, wrong_size
from recognition.data.parquet import open_parquet_file
from recognition.data.parquet_footer import ColumnChunk, column_chunks
from recognition.data.parquet_pages import largest_page
from recognition.errors import InputError, one_line
from recognition.files import open_regular, printable, shorten
from recognition.numpy_files import MOST_COMPRESSED, check_unpacked, most_unpacked

#: Bytes of a page once it is decompressed, beside `MOST_COMPRESSED` times the file; usual are 1 MB.
MAX_PAGE = 64 << 20
#: Most columns that a message lists, and bytes of their names.
_SHOWN, _NAME = 8, 60


def read_parquet(path: Path, dim: int, *, template_column: str, id_column: str) -> Iterator[Block]:
    """Yield the rows of the two columns.

    Raises:
        InputError: If pyarrow is missing, or the file is no such Parquet file.
    """
    count = 0
    try:
        with open_parquet_file(path) as file:
            metadata, schema = file.metadata, file.schema_arrow
        _check_types(path, schema, template_column, id_column)
        cells = _is_cells(schema.field(template_column).type)
        with open_regular(path, "a Parquet file") as opened:
            groups = column_chunks(opened)
        budget = _check_sizes(path, metadata, groups, template_column, dim, cells=cells)
        _check_pages(path, groups, (template_column, id_column))
        # A column of equal BLOBs stays as small in memory as it is in the file.
        dictionary = [template_column] if cells else []
        with open_parquet_file(path, metadata=metadata, read_dictionary=dictionary) as file:
            for batch in file.iter_batches(
                batch_size=BLOCK_ROWS, columns=[template_column, id_column], use_threads=False
            ):
                yield _block(batch.column(template_column), batch.column(id_column), dim)
                count += len(batch)
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
            listed = ", ".join(repr(shorten(one, _NAME)) for one in schema.names[:_SHOWN])
            raise InputError(
                f"{printable(path)}: expected one column {name!r}, got {listed or 'none'}; choose with "
                "--template-column and --id-column"
            )
    found = schema.field(template_column).type
    if not _is_cells(found):
        value = found
        while _is_list(value):
            value = value.value_type
        if value is found or not (types.is_floating(value) or types.is_integer(value)):
            raise InputError(
                f"{printable(path)}: expected lists of numbers, BLOBs or texts in {template_column!r}, got "
                f"{str(found)[:60]}"
            )
    found = schema.field(id_column).type
    value = found.value_type if types.is_dictionary(found) else found
    texts = types.is_string(value) or types.is_large_string(value) or types.is_string_view(value)
    if not (texts or types.is_integer(value)):
        raise InputError(
            f"{printable(path)}: expected texts or whole numbers in {id_column!r}, got {str(found)[:60]}"
        )


def _is_list(found: Any) -> bool:
    import pyarrow.types as types

    return types.is_list(found) or types.is_large_list(found) or types.is_fixed_size_list(found)


def _is_cells(found: Any) -> bool:
    """Return whether values of a type are decoded one by one: BLOBs and texts."""
    import pyarrow.types as types

    value = found.value_type if types.is_dictionary(found) else found
    blobs = types.is_binary(value) or types.is_large_binary(value) or types.is_fixed_size_binary(value)
    return bool(blobs or types.is_string(value) or types.is_large_string(value))


def _check_sizes(
    path: Path,
    metadata: Any,
    groups: list[list[ColumnChunk]],
    template_column: str,
    dim: int,
    *,
    cells: bool,
) -> int:
    """Return the number of rows of a file, as its metadata says.

    Raises:
        InputError: If it is too large, or its lists are not of `dim` numbers.
    """
    rows = int(metadata.num_rows)
    most = most_unpacked(path)
    if rows > MAX_ROWS or rows * dim * 4 > most:
        raise InputError(
            f"{printable(path)}: expected at most {min(MAX_ROWS, most // (dim * 4)):,} templates in a file "
            f"of this size, got {rows:,}; write it without compression"
        )
    unpacked = 0
    for number, group in enumerate(groups):
        count = metadata.row_group(number).num_rows
        for chunk in group:
            if chunk.column != template_column:
                continue
            unpacked += chunk.unpacked
            if not cells and chunk.values > count * dim:
                raise wrong_size(path, dim, f"{chunk.values:,} numbers in {count:,} rows")
    check_unpacked(path, unpacked, "templates")
    return rows


def _check_pages(path: Path, groups: list[list[ColumnChunk]], names: tuple[str, ...]) -> None:
    """Check the sizes of the pages of some columns before they are decompressed.

    Raises:
        InputError: If a page is too large.
        ValueError: If the header of a page is damaged.
    """
    most = MAX_PAGE + MOST_COMPRESSED * path.stat().st_size
    places = [(chunk.begin, chunk.packed) for group in groups for chunk in group if chunk.column in names]
    with open_regular(path, "a Parquet file") as file:
        size = largest_page(file, places)
    if size > most:
        raise InputError(
            f"{printable(path)}: expected pages of at most {most:,} bytes in a file of this size, got one of "
            f"{size:,}; write it without compression"
        )


def _block(templates: Any, identities: Any, dim: int) -> Block:
    """Return a batch's rows."""
    values = _values(identities)
    rows = None if _is_cells(templates.type) else _equal_lists(templates, dim)
    if rows is not None:
        return Block(rows, *identities_of(values))
    builder = RowBuilder(dim)
    for row, value in enumerate(values):
        builder.add_cells(value, _values(templates[row : row + 1])[0])
    return builder.build()


def _values(column: Any) -> list[Any]:
    """Return a column's values; bytes of texts that are no UTF-8 are kept as Python keeps those of names."""
    import pyarrow
    import pyarrow.types as types

    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        plain = column.dictionary_decode() if types.is_dictionary(column.type) else column
        found = plain.cast(pyarrow.large_binary()).to_pylist()
        return [value if value is None else value.decode("utf-8", "surrogateescape") for value in found]


def _equal_lists(column: Any, dim: int) -> NDArray[np.float64] | None:
    """Return a column of lists as (rows, dim); None if they are not all of `dim` numbers."""
    import pyarrow.types as types

    if column.null_count or _is_list(column.type.value_type):
        return None
    if types.is_fixed_size_list(column.type):
        lengths = {column.type.list_size}
    else:
        lengths = set(np.diff(column.offsets.to_numpy()).tolist())
    values = column.flatten()
    if lengths - {dim} or values.null_count:
        return None
    with np.errstate(invalid="ignore"):
        numbers = values.to_numpy(zero_copy_only=False).astype(np.float64)
    return np.asarray(numbers.reshape(-1, dim))
