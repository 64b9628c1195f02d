"""Databases of templates as .npy, Parquet or SQLite, whoever wrote them; nothing in them is ever run.

A reader is a module of this package that yields the rows of a file block by block, so that no file takes much
more memory than it has bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.templates.rows import MAX_BYTES, MAX_ROWS, Block, unit_rows
from recognition.errors import InputError
from recognition.files import check_regular, printable, read_text

__all__ = ["TemplateTable", "read_templates"]

_SQLITE = (".sqlite", ".sqlite3", ".db")
#: Largest file of identities in bytes.
_MAX_IDS = 1 << 30


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
    path = Path(path)
    suffix = path.suffix.lower()
    check_regular(path, "a file of templates", MAX_BYTES)
    if ids is not None and suffix != ".npy":
        raise InputError(
            f"ids: expected it with a .npy file, got {printable(path)}; name a column with --id-column"
        )
    blocks: Iterator[Block]
    if suffix == ".npy":
        from arcinvert.audit.templates.npy import read_npy

        blocks = read_npy(path, dim)
    elif suffix == ".parquet":
        from arcinvert.audit.templates.parquet import read_parquet

        blocks = read_parquet(path, dim, template_column=template_column, id_column=id_column)
    elif suffix in _SQLITE:
        from arcinvert.audit.templates.sqlite import read_sqlite

        blocks = read_sqlite(path, dim, table=table, template_column=template_column, id_column=id_column)
    else:
        raise InputError(
            f"{printable(path)}: expected .npy, .parquet or {', '.join(_SQLITE)}, got {suffix or 'none'!r}"
        )
    return _collect(path, blocks, None if ids is None else _read_ids(ids))


def _collect(path: Path, blocks: Iterator[Block], names: list[str] | None) -> TemplateTable:
    """Return the rows of all blocks, named by themselves, by a list, or by their numbers."""
    parts: list[NDArray[np.float32]] = []
    found: list[str] = []
    count = 0
    for rows, identities in blocks:
        parts.append(unit_rows(path, rows, count))
        count += len(rows)
        if count > MAX_ROWS:
            raise InputError(
                f"{printable(path)}: expected at most {MAX_ROWS:,} templates, got more; split it"
            )
        if identities is None:
            identities = [f"row {number}" for number in range(len(found), count)]
        found += identities
    if not count:
        raise InputError(f"{printable(path)}: expected at least one template, got none")
    found = found if names is None else names
    if len(found) != count:
        raise InputError(
            f"{printable(path)}: expected an identity for each of {count} templates, got {len(found)}; check "
            "--ids"
        )
    return TemplateTable(np.concatenate(parts), tuple(found))


def _read_ids(path: str | Path) -> list[str]:
    lines = read_text(path, "a text file of identities", _MAX_IDS).removesuffix("\n").split("\n")
    return [line.removesuffix("\r") for line in lines]
