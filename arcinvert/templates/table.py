"""A database of templates as a table: the templates of unit norm, and whose they are."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arcinvert.templates.fields import IDENTITY, TEMPLATE
from arcinvert.templates.rows import MAX_BYTES, MAX_ROWS, Block, identities_of, place, unit_rows
from recognition.errors import InputError
from recognition.files import check_regular, printable, read_text, refuse_stand_in

__all__ = ["SkippedRow", "TemplateTable", "read_templates"]

_SQLITE = (".sqlite", ".sqlite3", ".db")
_FAISS = (".faiss", ".index")
#: Endings of tables of text and of JSON.
_TEXTS = (".csv", ".tsv", ".txt", ".vec", ".json", ".jsonl", ".ndjson")
#: Endings of files whose rows may have no identities: a text file names them.
_UNNAMED = (".npy", ".npz", *_FAISS, *_TEXTS)
#: Largest file of identities in bytes.
_MAX_IDS = 1 << 30


@dataclass(frozen=True)
class SkippedRow:
    """A row without a template that can be used.

    Args:
        identity: Its identity; its number if it has none.
        place: Its number and its identity, in words.
        reason: Why it cannot be used.
    """

    identity: str
    place: str
    reason: str


@dataclass(frozen=True)
class TemplateTable:
    """Unit-norm templates, in the file's order.

    Args:
        templates: Shape (n, dim).
        identities: The identity of each.
        skipped: The rows that are left out.
        named: Whether the identities are of the file or of a list of them, and not the numbers of rows.
    """

    templates: NDArray[np.float32]
    identities: tuple[str, ...]
    skipped: tuple[SkippedRow, ...] = ()
    named: bool = True

    def first_of_each(self) -> "TemplateTable":
        """Return the first template of each identity."""
        firsts = {name: index for index, name in reversed(list(enumerate(self.identities)))}
        rows = sorted(firsts.values())
        names = tuple(self.identities[row] for row in rows)
        return replace(self, templates=self.templates[rows], identities=names)


def read_templates(
    path: str | Path,
    *,
    dim: int,
    ids: str | Path | None = None,
    table: str = "templates",
    template_column: str = TEMPLATE,
    id_column: str = IDENTITY,
    skip: bool = False,
) -> TemplateTable:
    """Read a database of templates.

    Args:
        path: A .npy file, (n, dim); a .npz archive with such an array; a .parquet file with a column of lists
            of numbers or of cells; an SQLite file with a column of cells; a flat index of FAISS; or text, see
            `read_text_templates`. A cell is a BLOB or a text, see `decode_vector`.
        dim: Dimensions of a template, as the attacked network makes them.
        ids: For files without identities, a text file with one line for each row; None names rows by their
            number.
        table: The table in SQLite.
        template_column: The column of templates, and the array in .npz or the key in JSON.
        id_column: The column of identities, and the array in .npz or the key in JSON.
        skip: Whether rows without a usable template or identity are left out; else they are an error.

    Raises:
        InputError: If the file is no such database, or has templates that cannot be used.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    check_regular(path, "a file of templates", MAX_BYTES)
    refuse_stand_in(path, "a database of templates")
    if ids is not None and suffix not in _UNNAMED:
        raise InputError(
            f"ids: expected it with a file without identities ({', '.join(_UNNAMED)}), got "
            f"{printable(path)}; name a column with --id-column"
        )
    blocks: Iterator[Block]
    if suffix == ".npy":
        from arcinvert.templates.npy import read_npy

        blocks = read_npy(path, dim)
    elif suffix == ".npz":
        from arcinvert.templates.npz import read_npz_templates

        column = id_column if ids is None else None
        blocks = read_npz_templates(path, dim, template_column=template_column, id_column=column)
    elif suffix == ".parquet":
        from arcinvert.templates.parquet import read_parquet

        blocks = read_parquet(path, dim, template_column=template_column, id_column=id_column)
    elif suffix in _SQLITE:
        from arcinvert.templates.sqlite import read_sqlite

        blocks = read_sqlite(path, dim, table=table, template_column=template_column, id_column=id_column)
    elif suffix in _FAISS:
        from arcinvert.templates.faiss import read_faiss

        blocks = read_faiss(path, dim)
    elif suffix in _TEXTS:
        from arcinvert.templates.text import read_text_templates

        column = id_column if ids is None else None
        blocks = read_text_templates(path, dim, template_column=template_column, id_column=column)
    else:
        expected = ", ".join((".npy", ".npz", ".parquet", *_SQLITE, *_FAISS, *_TEXTS))
        raise InputError(
            f"{printable(path)}: expected a database that ends in one of {expected}, got "
            f"{suffix or 'none'!r}; save them as .npy, with the rows' identities in a text file for --ids"
        )
    return _collect(path, dim, blocks, None if ids is None else _read_ids(ids), skip=skip)


def _collect(
    path: Path, dim: int, blocks: Iterator[Block], lines: list[str] | None, *, skip: bool
) -> TemplateTable:
    """Return the usable rows of all blocks, named by themselves, by a list, or by their numbers."""
    parts = [np.zeros((0, dim), np.float32)]
    found: list[str] = []
    skipped: list[SkippedRow] = []
    count = 0
    named = True
    for block in blocks:
        named = lines is not None or block.identities is not None
        rows, usable = unit_rows(block.templates)
        names, faults = _names(block, lines, count)
        for row in np.flatnonzero(~usable).tolist():
            faults.setdefault(row, "expected a finite, non-zero template, got another")
        for row in sorted(faults):
            where = place(count + row, names[row])
            if not skip:
                raise InputError(
                    f"{printable(path)}: {where}: {faults[row]}; check --model, or mend or remove the row "
                    "(an audit leaves it out with --on-unreadable skip)"
                )
            skipped.append(SkippedRow(names[row] or where, where, faults[row]))
        kept = [row for row in range(len(rows)) if row not in faults]
        parts.append(rows[kept])
        found += [name for row in kept if (name := names[row]) is not None]
        count += len(rows)
        if count > MAX_ROWS:
            raise InputError(
                f"{printable(path)}: expected at most {MAX_ROWS:,} templates, got more; split it"
            )
    if lines is not None and len(lines) != count:
        raise InputError(
            f"{printable(path)}: expected an identity for each of {count} templates, got {len(lines)}; check "
            "--ids"
        )
    if not found:
        first = f" ({skipped[0].place}: {skipped[0].reason})" if skipped else ""
        raise InputError(f"{printable(path)}: expected at least one template, got none{first}; check --model")
    return TemplateTable(np.concatenate(parts), tuple(found), tuple(skipped), named)


def _names(block: Block, lines: list[str] | None, count: int) -> tuple[list[str | None], dict[int, str]]:
    """Return the identity of each row of a block, and why rows cannot be used.

    Args:
        block: The rows.
        lines: The identities of all rows of the file; None for those in the file itself.
        count: How many rows come before.
    """
    size = len(block.templates)
    if lines is not None:
        # Of too few lines, the number is reported at the end.
        listed: list[object] = [*lines[count : count + size]]
        listed += ["?"] * (size - len(listed))
        names, faults = identities_of(listed)
        return names, faults | block.faults
    if block.identities is None:
        return [f"row {count + row}" for row in range(size)], dict(block.faults)
    return block.identities, dict(block.faults)


def _read_ids(path: str | Path) -> list[str]:
    lines = read_text(path, "a text file of identities", _MAX_IDS).removesuffix("\n").split("\n")
    return [line.removesuffix("\r") for line in lines]
