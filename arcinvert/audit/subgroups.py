"""Groups of people that a CSV file names."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from recognition.errors import InputError, one_line
from recognition.files import printable, read_text

#: For each grouping, the group of each person; None where the file does not say.
Groups = dict[str, list[str | None]]


def read_groups(path: Path, names: Sequence[str]) -> Groups:
    """Return the groups of people, in their order.

    Args:
        path: A CSV file with the column `identity` and one column for each grouping.
        names: The people.

    Raises:
        InputError: If the file is no such CSV file, says two things of a person, or names none of the people.
    """
    try:
        text = read_text(path, "a CSV file")
        rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    except csv.Error as error:
        raise InputError(f"{path}: expected a CSV file, cannot be read ({one_line(error)})") from None
    columns = [column for column in (rows[0] if rows else {}) if column and column != "identity"]
    if not rows or "identity" not in rows[0] or not columns:
        raise InputError(
            f"{path}: expected a CSV file with the column 'identity' and one column for each grouping; add "
            "them"
        )
    by_name = {row["identity"]: row for row in rows}
    for row in rows:
        if row != by_name[row["identity"]]:
            raise InputError(
                f"{path}: expected each identity once, got {printable(row['identity'])} with different groups"
            )
    if len(names) and not any(name in by_name for name in names):
        raise InputError(
            f"{path}: expected some of the {len(names)} people by the names of their folders, such as "
            f"{printable(names[0])}, got none of them"
        )
    return {
        column: [(by_name.get(name, {}).get(column) or "").strip() or None for name in names]
        for column in columns
    }
