"""Where the templates of a file are, and which of them are attacked; this module does not import torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recognition.config import check, kinds, option

#: Endings of the files that are read, in the order in which help texts name them.
FORMS = ".npy, .npz, .parquet, .sqlite, .db, .csv, .tsv, .txt, .vec, .json, .jsonl, or a flat index of FAISS"
IDS_HELP = "with .npy, .npz, FAISS and text: the text file with the identity of each row, one on a line"
TABLE_HELP = "with SQLite: the table that holds the templates"
TEMPLATE_COLUMN_HELP = "the column of the templates; with .npz the array, with JSON the key"
ID_COLUMN_HELP = "the column of the identities; with .npz the array, with JSON the key"
_GROUP = "database of templates"


@dataclass(frozen=True)
class TemplateOptions:
    """Where the templates of a file are, and which of them are attacked.

    Raises:
        InputError: If a value is of another type.
    """

    ids: Path | None = option(help=IDS_HELP, group=_GROUP)
    table: str = option("templates", help=TABLE_HELP, group=_GROUP)
    template_column: str = option("template", help=TEMPLATE_COLUMN_HELP, group=_GROUP)
    id_column: str = option("identity", help=ID_COLUMN_HELP, group=_GROUP)
    identities: tuple[str, ...] | None = option(
        help="attack the templates of these identities alone; in a file without identities, those of these "
        "rows, by their numbers from 0 (default: all)",
        group=_GROUP,
    )

    def __post_init__(self) -> None:
        check(self)


def template_options(options: dict[str, Any]) -> tuple[TemplateOptions, dict[str, Any]]:
    """Return where templates are in a file, and the other options.

    Raises:
        InputError: If a value is of another type.
    """
    names = kinds(TemplateOptions)
    given = {name: value for name, value in options.items() if name in names}
    return TemplateOptions(**given), {name: value for name, value in options.items() if name not in names}
