"""Templates in text: tables and JSON."""

from collections.abc import Iterator
from pathlib import Path

from arcinvert.templates.fields import UnclearFieldsError, Wanted
from arcinvert.templates.json_document import rows_of_document
from arcinvert.templates.json_rows import json_lines, record_blocks
from arcinvert.templates.rows import MAX_BYTES, Block
from arcinvert.templates.text_table import table_blocks
from recognition.errors import InputError
from recognition.files import parse_json, printable
from recognition.json_records import read_document
from recognition.text_records import read_lines

#: Endings of files with a value of JSON on each line.
_LINES = (".jsonl", ".ndjson")


def read_text_templates(
    path: Path, dim: int, *, template_column: str, id_column: str | None
) -> Iterator[Block]:
    """Yield the rows of a table of text or of JSON.

    Which fields are meant follows from their names, or from the first row that has one template and one
    identity.
    Rows without identities are yielded where they have no field but the template.

    Args:
        path: A table with one column of cells, see `decode_vector`, or one of numbers for each dimension,
            with or without a header; records of JSON on lines, in a list, or in objects around the list; an
            object of templates by identity, or of lists of identities and templates.
        dim: Dimensions of a template.
        template_column: The name of the column or key of the templates.
        id_column: That of the identities; None if these are elsewhere.

    Raises:
        InputError: If it is no such text, or which fields are meant is not clear.
    """
    wanted = Wanted(dim, template_column, id_column)
    try:
        document = read_document(path, "templates", MAX_BYTES)
        if document is not None:
            rows = rows_of_document(document, dim, named=id_column is not None)
            yield from record_blocks(lambda: iter(rows), wanted)
        elif _has_records(path):
            yield from record_blocks(lambda: json_lines(path), wanted)
        else:
            yield from table_blocks(path, wanted)
    except UnclearFieldsError as error:
        raise InputError(f"{printable(path)}: {error}") from None


def _has_records(path: Path) -> bool:
    """Return whether a file has a value of JSON on each line: by its ending, or by the first one."""
    if path.suffix.lower() in _LINES:
        return True
    _, first = next(read_lines(path, "templates", MAX_BYTES, "surrogateescape"), (0, ""))
    try:
        return isinstance(parse_json(first), dict)
    except ValueError:
        return False
