"""Templates in an SQLite file.

A hostile file may have code in place of data: a view or a generated column computes what it likes, without an
end. So only ordinary tables are read, whose cells are in the file, and only its two columns.
"""

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from arcinvert.templates.rows import BLOCK_ROWS, Block, RowBuilder
from recognition.errors import InputError, one_line
from recognition.files import printable, shorten

#: Seconds that SQLite may take for one block of rows; it takes milliseconds.
_DEADLINE = 20.0
#: Instructions of SQLite's machine between two looks at the clock.
_INSTRUCTIONS = 2000
#: Longest text, BLOB or row in bytes, whatever else a row holds.
_MAX_CELL = 16 << 20
#: The hidden columns of `PRAGMA table_xinfo` that are generated.
_GENERATED = (2, 3)
#: Most columns or tables that a message lists, and bytes of their names.
_SHOWN, _NAME = 8, 60


def read_sqlite(path: Path, dim: int, *, table: str, template_column: str, id_column: str) -> Iterator[Block]:
    """Yield the rows of the two columns of an ordinary table, in its order.

    Raises:
        InputError: If the file is no such database, takes too long, or has more data than bytes.
    """
    for ending in ("-wal", "-journal"):
        other = path.with_name(path.name + ending)
        with contextlib.suppress(OSError):
            if other.stat().st_size:
                raise InputError(
                    f"{printable(path)}: expected a database that is closed, found {printable(other.name)} "
                    "beside it; close the program that writes it, or copy it with '.backup'"
                )
    clock = _Clock()
    checked = False
    try:
        with contextlib.closing(_connect(path, clock)) as base:
            columns = _check_table(path, base, table, (id_column, template_column))
            checked = True
            names = ", ".join(_quoted(column) for column in columns)
            # Without an index, so that rows come in the table's order; sorting them would take memory.
            query = f"SELECT {names} FROM {_quoted(table)} NOT INDEXED"  # noqa: S608 - quoted
            yield from _blocks(path, base.execute(query), dim, clock)
    except InputError:
        raise
    except (sqlite3.Error, ValueError) as error:
        # A name of a table or column that is no UTF-8 text is a ValueError.
        if clock.expired:
            raise InputError(
                f"{printable(path)}: expected a table that can be read, got one that takes more than "
                f"{_DEADLINE:g} seconds for {BLOCK_ROWS} rows; copy it to a new file"
            ) from None
        if "interrupted" in str(error):
            # Ctrl-C while SQLite worked: it reports that it was stopped, and nothing else.
            raise KeyboardInterrupt from None
        if checked:
            raise InputError(
                f"{printable(path)}: expected rows that can be read, got others in {table!r} "
                f"({one_line(error)}); copy what is intact to a new file, with '.recover'"
            ) from None
        raise InputError(
            f"{printable(path)}: expected SQLite with the table {table!r} and the columns {id_column!r} and "
            f"{template_column!r} ({one_line(error)})"
        ) from None


class _Clock:
    """Stops SQLite when it takes too long for a block."""

    def __init__(self) -> None:
        self.expired = False
        self.restart()

    def restart(self) -> None:
        self._end = time.monotonic() + _DEADLINE

    def __call__(self) -> bool:
        self.expired = time.monotonic() > self._end
        return self.expired


def _connect(path: Path, clock: _Clock) -> sqlite3.Connection:
    """Return a connection that writes nothing and trusts nothing."""
    base = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
    # Bytes that are no UTF-8 are the fault of their row, and stay apart from BLOBs.
    base.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
    base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_CELL)
    base.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    base.set_progress_handler(clock, _INSTRUCTIONS)
    for pragma in ("trusted_schema = OFF", "query_only = ON", "cell_size_check = ON", "temp_store = MEMORY"):
        base.execute(f"PRAGMA {pragma}")
    return base


def _check_table(path: Path, base: sqlite3.Connection, table: str, columns: tuple[str, ...]) -> list[str]:
    """Return the columns by the names that they have in the table.

    Raises:
        InputError: If there is no such table, it is a view or virtual, or a column is missing or generated.
    """
    found = base.execute(
        "SELECT type, rootpage FROM sqlite_master "
        "WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view')",
        (table,),
    ).fetchall()
    if not found:
        names = base.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' LIMIT ?", (_SHOWN,)
        ).fetchall()
        listed = ", ".join(repr(shorten(str(name), _NAME)) for (name,) in names) or "no table"
        raise InputError(
            f"{printable(path)}: expected SQLite with the table {table!r}, found no such table, got "
            f"{listed}; choose with --table"
        )
    # Views and virtual tables have no page of their own.
    if len(found) != 1 or found[0][0] != "table" or not found[0][1]:
        raise InputError(
            f"{printable(path)}: expected an ordinary table, got {table!r}, which is a view or virtual; copy "
            "it to a table"
        )
    hidden = {
        str(name).lower(): (str(name), kind)
        for _, name, _, _, _, _, kind in base.execute(f"PRAGMA table_xinfo({_quoted(table)})")
    }
    kept = []
    for column in columns:
        # SQLite would take an unknown name in quotes for a text.
        if column.lower() not in hidden:
            listed = ", ".join(repr(shorten(name, _NAME)) for name, _ in list(hidden.values())[:_SHOWN])
            raise InputError(
                f"{printable(path)}: expected the column {column!r} in {table!r}, got {listed}; choose with "
                "--template-column and --id-column"
            )
        name, kind = hidden[column.lower()]
        if kind in _GENERATED:
            raise InputError(
                f"{printable(path)}: expected stored values, got {column!r}, which is a generated column; "
                "copy the table"
            )
        kept.append(name)
    return kept


def _blocks(path: Path, cursor: sqlite3.Cursor, dim: int, clock: _Clock) -> Iterator[Block]:
    left = path.stat().st_size
    rows = RowBuilder(dim)
    # Row by row: a thousand of the longest cells at once would fill the memory.
    for name, value in cursor:
        rows.add_cells(name, value)
        left -= len(value) if isinstance(value, bytes | str) else 0
        if left < 0:
            # Pages that are part of a table several times make endless rows of a small file.
            raise InputError(
                f"{printable(path)}: damaged: has more templates than bytes; copy it to a new file"
            )
        if len(rows) == BLOCK_ROWS:
            yield rows.build()
            rows = RowBuilder(dim)
            clock.restart()
    if len(rows):
        yield rows.build()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
