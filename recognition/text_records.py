"""The cells of the rows of a text file, whatever separates them."""

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from recognition.errors import InputError, one_line
from recognition.files import MAX_WEIGHTS, open_regular, printable
from recognition.identity_names import means_identity
from recognition.vectors import BRACKETS, is_vector

#: Most characters of a line: of a hundred thousand classes and more.
_MAX_LINE = 16 << 20
#: What separates cells; the first one in the first line is taken, and white space where there is none.
_SEPARATORS = "\t;,"
#: Digits of the number of a column.
_DIGITS = 9
#: Characters of a list of numbers, with nan and inf in it, and those between its numbers.
_LIST, _BETWEEN = frozenset("0123456789+-.eE,; \tnaifNAIF"), frozenset(",; \t")
#: Most characters of a column's name; a damaged vector of any network's length has more.
_COLUMN_NAME = 60
#: The name of a column: what encodes bytes may have the other signs.
_NAME = re.compile(r"[^\W\d][^+=]*$|[_$@][^+=]*$")
#: The first line of word2vec's text: the numbers of rows and of dimensions.
_COUNT = re.compile(r"[0-9]{1,9}")
#: What follows the sign of a comment among the rows: `#12` is the name of a row.
_AFTER_COMMENT = ("", " ", "\t", "#")


def read_records(
    path: Path, what: str, max_bytes: int = MAX_WEIGHTS, errors: str = "strict"
) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row, with the number of its line. A cell in quotes may have several lines.

    Lines that begin with `#` are comments before the first row; after it, those with a space behind it.

    Args:
        path: The file.
        what: What it holds, in error messages, such as "centres".
        max_bytes: Largest file.
        errors: What becomes of bytes that are no UTF-8, as for `bytes.decode`.

    Raises:
        InputError: If it is no such text, or has too long a line.
    """
    lines = read_lines(path, what, max_bytes, errors)
    separator = ""
    try:
        for number, line in lines:
            before, vector = _trailing_list(line)
            separator = separator or _separator(before)
            before = before if vector is None else before.rstrip(" \t,;:=")
            rest = (f"\n{line}" for _, line in lines)
            cells = _split(before, separator, rest) if before else []
            yield number, cells if vector is None else [*cells, vector]
    except UnicodeDecodeError as error:
        raise InputError(
            f"{printable(path)}: expected a table of text in UTF-8, got something else ({one_line(error)}); "
            "save it as UTF-8"
        ) from None
    except csv.Error as error:
        # Such as a quote without an end, which makes the rest of the file one cell.
        raise InputError(
            f"{printable(path)}: expected rows of cells, got others from line {number} on "
            f"({one_line(error)}); check the quotes, and write the table anew"
        ) from None


def has_header(cells: Sequence[str], dim: int) -> bool:
    """Return whether a first row has names of columns: different words, or the numbers of pandas's columns.

    A row of words and any other number is one of values, in which a word may be a damaged vector.
    """
    first, *rest = [cell.strip() for cell in cells]
    if len(rest) < 2 and is_list_or_vector((rest or [first])[0], dim):
        return False
    numbers = [cell for cell in (first, *rest) if is_number(cell)]
    words = [cell for cell in (first, *rest) if not is_number(cell)]
    if not all(map(_may_name_column, words)) or len(set(words)) < len(words):
        return False
    if not numbers:
        return True
    if not rest or not numbers[0].isdecimal():
        return False
    begin = int(numbers[0][:_DIGITS])
    counted = numbers == [str(number) for number in range(begin, begin + len(numbers))]
    # A single number is rather that of a row.
    certain = len(numbers) > 1 or any(map(names_identities, words))
    return certain and counted and begin <= (1 if is_number(first) else 2)


def names_identities(cell: str) -> bool:
    """Return whether a cell of a first row is the name of a column of identities, and not an identity."""
    return means_identity(cell) and not any(map(str.isdigit, cell))


def _may_name_column(cell: str) -> bool:
    """Return whether a word can be the name of a column, and is not a vector that is damaged."""
    numbers = sum(map(is_number, re.split(r"[\s,;]+", cell)))
    return len(cell) <= _COLUMN_NAME and numbers < 2 and (not cell or _NAME.match(cell) is not None)


def announced_rows(path: Path, first: Sequence[str], second: Sequence[str], dim: int) -> int | None:
    """Return the number of rows that the first line of word2vec's text says; None of another table.

    Args:
        path: The file's name in error messages.
        first: The cells of its first line.
        second: Those of its second one; empty if it has none.
        dim: Number of dimensions that a vector must have.

    Raises:
        InputError: If the line says another number of dimensions.
    """
    if len(first) != 2 or not all(map(_COUNT.fullmatch, first)):
        return None
    count, size = map(int, first)
    # Otherwise these are two numbers of a table.
    if size < 2 or len(second) != size + 1:
        return None
    if size != dim:
        raise InputError(
            f"{printable(path)}: expected vectors of {dim} numbers, as the network makes them, got {size} "
            "by the first line; check --model"
        )
    return count


def check_announced(path: Path, announced: int | None, found: int) -> None:
    """Refuse a file with another number of rows than its first line says, see `announced_rows`.

    Raises:
        InputError: If the numbers differ.
    """
    if announced not in (None, found):
        raise InputError(
            f"{printable(path)}: expected {announced} rows, as the first line says, got {found}; the file "
            "may be cut off"
        )


def is_list_or_vector(cell: str, dim: int) -> bool:
    """Return whether a cell is a list of any length, or another vector of `dim` numbers."""
    return cell[:1] in BRACKETS or is_vector(cell, dim)


def is_number(cell: str) -> bool:
    """Return whether a cell is one number."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def read_lines(path: Path, what: str, max_bytes: int, errors: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that are neither empty nor comments, with their numbers from 1, see `read_records`."""
    opened = open_regular(path, f"a table of {what}", max_bytes)
    with io.TextIOWrapper(opened, encoding="utf-8-sig", errors=errors) as file:
        if opened.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise InputError(f"{printable(path)}: expected text in UTF-8, got UTF-16; save it as UTF-8")
        begun = False
        for number in itertools.count(1):
            line = file.readline(_MAX_LINE)
            if not line:
                return
            if len(line) == _MAX_LINE:
                raise InputError(
                    f"{printable(path)}: expected lines of at most {_MAX_LINE:,} characters; give .npy"
                )
            line = line.strip(" \r\n")
            if not line or (line.startswith("#") and (not begun or line[1:2] in _AFTER_COMMENT)):
                continue
            begun = True
            yield number, line


def _trailing_list(line: str) -> tuple[str, str | None]:
    """Return what stands before a list of numbers in brackets at the end of a line, and the list if any."""
    if line[0] in BRACKETS and line[-1] == BRACKETS[line[0]]:
        return "", line
    begin = max(map(line.rfind, BRACKETS)) if line[-1] in BRACKETS.values() else -1
    inner = line[begin + 1 : -1].strip()
    if begin < 0 or not _LIST.issuperset(inner) or not _BETWEEN.intersection(inner):
        return line, None
    return line[:begin], line[begin:]


def _separator(line: str) -> str:
    unquoted = re.sub(r'"[^"]*("|$)', "", line)
    return next((one for one in _SEPARATORS if one in unquoted), " ")


def _split(line: str, separator: str, rest: Iterable[str]) -> list[str]:
    if separator == " " and '"' not in line:
        return line.split()
    # Takes further lines only where a cell in quotes has them.
    cells = next(csv.reader(itertools.chain([line], rest), delimiter=separator, skipinitialspace=True))
    return cells if separator != " " else [cell for cell in cells if cell] or [""]
