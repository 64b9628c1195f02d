"""pyarrow, which an installation need not have, and Parquet files that it opens."""

from pathlib import Path
from types import ModuleType
from typing import Any

from recognition.errors import InputError
from recognition.files import printable

#: Largest metadata of a file, as Thrift counts it: bytes of one text, and items of one list.
_LIMITS = {"thrift_string_size_limit": 16 << 20, "thrift_container_size_limit": 1_000_000}


def parquet_library(path: Path) -> ModuleType:
    """Return the module `pyarrow.parquet`.

    Args:
        path: The file that needs it, for the error message.

    Raises:
        InputError: If it is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            f"{printable(path)}: Parquet needs pyarrow, which is not installed; pip install "
            "'arcinvert[parquet]'"
        ) from None
    return pyarrow.parquet


def open_parquet_file(path: Path, **options: Any) -> Any:
    """Return a `pyarrow.parquet.ParquetFile` whose metadata is limited in size.

    Args:
        path: The file.
        options: Further arguments of `ParquetFile`.

    Raises:
        InputError: If pyarrow is missing.
        Exception: Of any type that pyarrow raises on damaged files.
    """
    return parquet_library(path).ParquetFile(path, **_LIMITS, **options)
