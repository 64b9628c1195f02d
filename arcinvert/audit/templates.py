"""Databases of templates as .npy, Parquet or SQLite; nothing in them is ever run."""

import contextlib
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InputError, one_line

_SQLITE = (".sqlite", ".sqlite3", ".db")


@dataclass(frozen=True)
class TemplateTable:
    """Unit-norm templates, (n, dim) float32, and the identity of each, in the file's order."""

    templates: NDArray[np.float32]
    identities: tuple[str, ...]

    def first_of_each(self) -> "TemplateTable":
        """Return the first template of each identity."""
        firsts = {name: index for index, name in reversed(list(enumerate(self.identities)))}
        rows = sorted(firsts.values())
        return TemplateTable(self.templates[rows], tuple(self.identities[row] for row in rows))


def read_templates(
    path: str | Path,
    *,
    dim: int,
    ids: str | Path | None = None,
    table: str = "templates",
    template_column: str = "template",
    id_column: str = "identity",
) -> TemplateTable:
    """Read a database of templates.

    Args:
        path: A .npy file, (n, dim); a .parquet file with a column of lists of numbers; or an SQLite file with
            a column of BLOBs (float32 or float64, little-endian) or of JSON lists.
        dim: Dimensions of a template, as the attacked network makes them.
        ids: For .npy, a text file with one line for each row; None names rows by their number.
        table: The table in SQLite.
        template_column: The column of templates in Parquet and SQLite.
        id_column: The column of identities in Parquet and SQLite.

    Raises:
        InputError: If the file is no such database, or has templates that cannot be used.
    """
    suffix = Path(path).suffix.lower()
    if not Path(path).is_file():
        raise InputError(f"{path}: expected a file of templates, found no such file; check the path")
    if suffix == ".npy":
        rows, names = _read_npy(path), None if ids is None else _read_ids(ids)
    elif ids is not None:
        raise InputError(f"ids: expected it with a .npy file, got {path}; name a column with --id-column")
    elif suffix == ".parquet":
        rows, names = _read_parquet(path, template_column, id_column)
    elif suffix in _SQLITE:
        rows, names = _read_sqlite(path, table, template_column, id_column, dim)
    else:
        raise InputError(f"{path}: expected .npy, .parquet or {', '.join(_SQLITE)}, got {suffix or 'none'!r}")
    templates = _checked(path, rows, dim)
    names = [f"row {index}" for index in range(len(templates))] if names is None else names
    if len(names) != len(templates):
        raise InputError(
            f"{path}: expected an identity for each of {len(templates)} templates, got {len(names)}; check "
            "--ids"
        )
    return TemplateTable(templates, tuple(names))


def _checked(path: str | Path, rows: Any, dim: int) -> NDArray[np.float32]:
    try:
        templates = np.atleast_2d(np.asarray(rows))
    except ValueError:
        raise InputError(f"{path}: expected templates of one length, got several lengths") from None
    if templates.dtype.kind not in "fiu" or templates.ndim != 2 or templates.shape[1] != dim:
        raise InputError(
            f"{path}: expected templates of {dim} real numbers, as the network makes them, got an array of "
            f"{templates.dtype} {templates.shape}; check --model"
        )
    templates = templates.astype(np.float64)
    largest = np.abs(templates).max(1, keepdims=True)
    wrong = np.flatnonzero(~np.isfinite(largest) | (largest == 0))
    if not len(templates) or len(wrong):
        raise InputError(
            f"{path}: expected finite, non-zero templates, got {len(wrong)} others of {len(templates)}; "
            "remove them"
        )
    # By the largest number first: a norm's squares could leave the range.
    templates = templates / largest
    return (templates / np.linalg.norm(templates, axis=1, keepdims=True)).astype(np.float32)


def _read_npy(path: str | Path) -> Any:
    try:
        with Path(path).open("rb") as file:
            return np.lib.format.read_array(file, allow_pickle=False)
    except Exception as error:
        # A damaged header raises whatever the tokeniser, the parser or the allocator do.
        raise InputError(
            f"{path}: expected a .npy file of numbers, got something else ({one_line(error)})"
        ) from None


def _read_ids(path: str | Path) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a text file of identities ({one_line(error)})") from None


def _read_parquet(path: str | Path, template_column: str, id_column: str) -> tuple[Any, list[str]]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            f"{path}: Parquet needs pyarrow, which is not installed; pip install 'arcinvert[parquet]'"
        ) from None
    try:
        content = pyarrow.parquet.read_table(path, columns=[template_column, id_column])
        columns = {name: content.column(name).to_pylist() for name in (template_column, id_column)}
    except (OSError, ValueError, KeyError) as error:
        # pyarrow's own errors are of these kinds.
        raise InputError(
            f"{path}: expected Parquet with the columns {template_column!r} and {id_column!r} "
            f"({one_line(error)})"
        ) from None
    return columns[template_column], [str(name) for name in columns[id_column]]


def _read_sqlite(
    path: str | Path, table: str, template_column: str, id_column: str, dim: int
) -> tuple[list[NDArray[Any]], list[str]]:
    def quoted(name: str) -> str:
        return '"' + name.replace('"', '""') + '"'

    query = f"SELECT {quoted(id_column)}, {quoted(template_column)} FROM {quoted(table)} ORDER BY rowid"  # noqa: S608
    rows, names = [], []
    try:
        with contextlib.closing(
            sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)
        ) as base:
            for identity, value in base.execute(query):
                rows.append(_decoded(path, value, dim))
                names.append(str(identity))
    except sqlite3.Error as error:
        raise InputError(
            f"{path}: expected SQLite with the table {table!r} and the columns {id_column!r} and "
            f"{template_column!r} ({one_line(error)})"
        ) from None
    return rows, names


def _decoded(path: str | Path, value: Any, dim: int) -> NDArray[Any]:
    if isinstance(value, bytes) and len(value) in (4 * dim, 8 * dim):
        return np.frombuffer(value, "<f4" if len(value) == 4 * dim else "<f8")
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            return np.asarray(json.loads(value), dtype=np.float64)
    raise InputError(
        f"{path}: expected templates as BLOBs of {dim} float32 or float64 numbers, or as JSON lists, got "
        f"{f'{len(value)} bytes' if isinstance(value, bytes) else type(value).__name__}"
    )
