"""Faces in Parquet files: a column of image files and one of identities, as Hugging Face's datasets have.

Images are binary, or a structure with the binary field `bytes`. A face is read with its row group, so that
row groups must not be large.
"""

import functools
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.data.keys import NumberedKeys
from recognition.data.parquet import open_parquet_file
from recognition.data.parquet_footer import column_chunks
from recognition.data.parquet_pages import largest_page
from recognition.errors import InputError, one_line
from recognition.files import kept_open, open_regular, printable

#: Names of the columns, the first that a file has.
IMAGE_COLUMNS = ("image", "img", "jpg", "png", "bytes")
IDENTITY_COLUMNS = ("identity", "label", "class", "cls", "id")
#: Bytes of the largest row group's images once they are decompressed: a face is read with all of them.
MAX_GROUP = 256 << 20
#: Row groups that are kept in memory.
_KEPT = 2
#: Rows whose identities are read at once.
_ROWS = 1 << 16


class ParquetFaces:
    """The faces in one Parquet file; only the first row of each group is kept in memory.

    Args:
        path: The file.

    Raises:
        InputError: If pyarrow is missing, or it is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._groups: OrderedDict[int, Any] = OrderedDict()
        self._open = functools.partial(open_parquet_file, path)
        try:
            with open_regular(path, "a Parquet file"), self._open() as file:
                metadata, schema = file.metadata, file.schema_arrow
            self._image = _column(schema, IMAGE_COLUMNS, "images", path)
            self._identity = _column(schema, IDENTITY_COLUMNS, "identities", path)
            kind = schema.field(self._image).type
            #: Whether images are in the field `bytes` of a structure.
            self._nested = _is_structure(kind, path)
            self._check_sizes()
        except InputError:
            raise
        except Exception as error:
            # pyarrow raises any type on damaged files.
            raise self._damaged(error) from None
        rows = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
        self._firsts = np.cumsum([0, *rows])

    @property
    def groups_in_memory(self) -> tuple[int, ...]:
        """Numbers of the row groups whose images are in memory."""
        return tuple(self._groups)

    def _damaged(self, error: Exception) -> InputError:
        return InputError(
            f"{printable(self.path)}: damaged, or no Parquet of images ({one_line(error)}); get an intact "
            f"copy"
        )

    def _check_sizes(self) -> None:
        """Check how much a row group takes in memory.

        Raises:
            InputError: If it is too much.
            ValueError: If the footer, or the header of a page, is damaged.
        """
        with open_regular(self.path, "a Parquet file") as file:
            groups = [
                [chunk for chunk in group if chunk.column in (self._image, self._identity)]
                for group in column_chunks(file)
            ]
            places = [(chunk.begin, chunk.packed) for group in groups for chunk in group]
            sizes = [sum(chunk.unpacked for chunk in group) for group in groups]
            largest = max([*sizes, largest_page(file, places)])
        if largest > MAX_GROUP:
            raise InputError(
                f"{printable(self.path)}: expected row groups of at most {MAX_GROUP >> 20} MiB, got one of "
                f"{largest >> 20} MiB; write it with row groups of some hundred images, or convert it to "
                f"records"
            )

    def identities(self) -> dict[str, NDArray[np.int64]]:
        """Return the rows of each identity.

        Raises:
            InputError: If the file is damaged.
        """
        found: dict[str, array[int]] = {}
        row = 0
        try:
            with self._open() as file:
                for batch in file.iter_batches(batch_size=_ROWS, columns=[self._identity], use_threads=False):
                    for value in batch.column(0).to_pylist():
                        if value is None:
                            raise InputError(
                                f"{printable(self.path)}, row {row}: expected an identity, got none"
                            )
                        found.setdefault(str(value), array("q")).append(row)
                        row += 1
        except InputError:
            raise
        except Exception as error:
            raise self._damaged(error) from None
        return {name: np.array(rows, dtype=np.int64) for name, rows in found.items()}

    def image(self, row: int) -> bytes:
        """Return the image file in a row.

        Raises:
            InputError: If there is no such row, or it has no image.
        """
        group = int(np.searchsorted(self._firsts, row, side="right")) - 1
        if not 0 <= group < len(self._firsts) - 1:
            raise InputError(f"{printable(self.path)}, row {row}: expected a row of the file; check the key")
        value = self._group(group)[row - int(self._firsts[group])].as_py()
        if not isinstance(value, bytes):
            raise InputError(f"{printable(self.path)}, row {row}: expected an image, got none")
        return value

    def _group(self, number: int) -> Any:
        if number not in self._groups:
            try:
                with self._open() as file:
                    column = file.read_row_group(number, [self._image], use_threads=False).column(0)
                if self._nested:
                    import pyarrow.compute

                    column = pyarrow.compute.struct_field(column, "bytes")
            except Exception as error:
                raise self._damaged(error) from None
            self._groups[number] = column
            while len(self._groups) > _KEPT:
                self._groups.popitem(last=False)
        self._groups.move_to_end(number)
        return self._groups[number]


@kept_open(most=64)
def open_parquet(path: Path) -> ParquetFaces:
    """Return the faces in a Parquet file; one that has been opened and has not changed is not opened again.

    Raises:
        InputError: As `ParquetFaces` does.
    """
    return ParquetFaces(path)


def list_parquet(path: Path) -> tuple[dict[str, Sequence[Path]], dict[Path, InputError]]:
    """Return the keys of the faces in Parquet files by their identity, and the errors of damaged files.

    Args:
        path: A file, or a folder of files.

    Raises:
        InputError: If none of them has a face.
    """
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    found: dict[str, list[NumberedKeys]] = {}
    damaged: dict[Path, InputError] = {}
    for file in files:
        try:
            for identity, rows in open_parquet(file).identities().items():
                found.setdefault(identity, []).append(NumberedKeys(file, rows))
        except InputError as error:
            damaged[file] = error
    if not found:
        reason = next(iter(damaged.values()), None)
        raise reason or InputError(f"{printable(path)}: expected faces in it, found none")
    return {
        name: parts[0] if len(parts) == 1 else [key for part in parts for key in part]
        for name, parts in sorted(found.items())
    }, damaged


def _column(schema: Any, names: Sequence[str], what: str, path: Path) -> str:
    for name in names:
        if schema.names.count(name) == 1:
            return name
    raise InputError(
        f"{printable(path)}: expected a column of {what}, named {', '.join(names)}, found "
        f"{', '.join(map(str, schema.names[:10]))}; rename the column"
    )


def _is_structure(kind: Any, path: Path) -> bool:
    """Return whether images are in a structure.

    Raises:
        InputError: If they are neither binary nor in one.
    """
    import pyarrow.types as types

    nested = types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    value = kind.field(kind.get_field_index("bytes")).type if nested else kind
    if not (types.is_binary(value) or types.is_large_binary(value)):
        raise InputError(
            f"{printable(path)}: expected images as binary, or in a field 'bytes', got {str(kind)[:60]}"
        )
    return bool(nested)
