"""The cells of the rows of a text file, whatever separates them."""

import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from recognition.errors import InputError, one_line
from recognition.files import MAX_WEIGHTS, open_regular, printable
from recognition.vectors import BRACKETS

#: Most characters of a line: of a hundred thousand classes and more.
_MAX_LINE = 16 << 20
#: What separates cells; the first one in the first line is taken, and white space where there is none.
_SEPARATORS = "\t;,"
#: Characters of a list of numbers, with nan and inf in it, and those between its numbers.
_LIST, _BETWEEN = frozenset("0123456789+-.eE,; \tnaifNAIF"), frozenset(",; \t")


def read_records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row, with the number of its line. A cell in quotes may have several lines."""
    lines = _lines(path)
    separator = ""
    try:
        for number, line in lines:
            before, vector = _trailing_list(line)
            separator = separator or _separator(before)
            rest = (f"\n{line}" for _, line in lines)
            cells = _split(before, separator, rest) if before else []
            yield number, cells if vector is None else [*cells, vector]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{printable(path)}: expected a table of text in UTF-8, got something else ({one_line(error)})"
        ) from None


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are neither empty nor comments, with their numbers from 1."""
    with io.TextIOWrapper(
        open_regular(path, "a table of centres", MAX_WEIGHTS), encoding="utf-8-sig"
    ) as file:
        for number in itertools.count(1):
            line = file.readline(_MAX_LINE)
            if not line:
                return
            if len(line) == _MAX_LINE:
                raise InputError(
                    f"{printable(path)}: expected lines of at most {_MAX_LINE:,} characters; give .npy"
                )
            line = line.strip(" \r\n")
            if line and not line.startswith("#"):
                yield number, line


def _trailing_list(line: str) -> tuple[str, str | None]:
    """Return what stands before a list of numbers in brackets at the end of a line, and the list if any."""
    if line[0] in BRACKETS and line[-1] == BRACKETS[line[0]]:
        return "", line
    begin = max(map(line.rfind, BRACKETS)) if line[-1] in BRACKETS.values() else -1
    inner = line[begin + 1 : -1].strip()
    if begin < 0 or not _LIST.issuperset(inner) or not _BETWEEN.intersection(inner):
        return line, None
    return line[:begin].rstrip(" \t,;:="), line[begin:]


def _separator(line: str) -> str:
    unquoted = re.sub(r'"[^"]*("|$)', "", line)
    return next((one for one in _SEPARATORS if one in unquoted), " ")


def _split(line: str, separator: str, rest: Iterable[str]) -> list[str]:
    if separator == " " and '"' not in line:
        return line.split()
    # Takes further lines only where a cell in quotes has them.
    cells = next(csv.reader(itertools.chain([line], rest), delimiter=separator, skipinitialspace=True))
    return cells if separator != " " else [cell for cell in cells if cell] or [""]
