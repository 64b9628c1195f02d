"""What the readers of templates share: limits, blocks of rows, and the check of identities and numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InputError
from recognition.files import printable, shorten
from recognition.vectors import decode_vector

#: Largest file of templates in bytes: sixteen million templates of 512 float32 numbers have 32 GB.
MAX_BYTES = 64 << 30
#: Most templates of a file.
MAX_ROWS = 20_000_000
#: Templates that are read at once.
BLOCK_ROWS = 1024
#: Longest identity in characters, and how much of one an error message shows.
MAX_NAME, _SHOWN_NAME = 1000, 60


@dataclass(frozen=True)
class Block:
    """Rows of a file, one after another.

    Args:
        templates: Shape (rows, dim), of any norm; a row with a fault has any numbers.
        identities: The identity of each row, None where it has none; None where the file has no identities.
        faults: Why rows cannot be used, by their numbers in the block.
    """

    templates: NDArray[np.floating]
    identities: list[str | None] | None = None
    faults: dict[int, str] = field(default_factory=dict)


class RowBuilder:
    """Collects rows that are decoded one by one into blocks.

    Args:
        dim: Dimensions of a template.
        named: Whether the file has identities.
    """

    def __init__(self, dim: int, *, named: bool = True) -> None:
        self._dim = dim
        self._named = named
        self._templates: list[NDArray[np.floating]] = []
        self._identities: list[str | None] = []
        self._faults: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._identities)

    def add_cells(self, identity: object, template: object) -> None:
        """Add a row as it is stored, with what is wrong with it.

        Args:
            identity: The cell of its identity; not used where the file has none.
            template: The cell of its template, see `decode_vector`.
        """
        row = len(self)
        name, values = None, np.full(self._dim, np.nan)
        try:
            name = identity_of(identity) if self._named else None
            values = decode_vector(template, self._dim)
        except ValueError as error:
            self._faults[row] = str(error)
        self._templates.append(values)
        self._identities.append(name)

    def add_fault(self, identity: object, reason: str) -> None:
        """Add a row without a template that can be read.

        Args:
            identity: The cell of its identity; None if it is not known.
            reason: What is wrong with the row.
        """
        self.add_cells(identity, None)
        self._faults[len(self) - 1] = reason

    def build(self) -> Block:
        """Return the block of the rows that were added."""
        return Block(np.stack(self._templates), self._identities if self._named else None, self._faults)


def decoded_blocks(cells: Iterator[tuple[object, object]], dim: int, *, named: bool) -> Iterator[Block]:
    """Yield rows in blocks.

    Args:
        cells: The identity and the template of each row, or an error in place of the template.
        dim: Dimensions of a template.
        named: Whether there are identities.
    """
    rows = RowBuilder(dim, named=named)
    for identity, template in cells:
        if isinstance(template, ValueError):
            rows.add_fault(identity, str(template))
        else:
            rows.add_cells(identity, template)
        if len(rows) == BLOCK_ROWS:
            yield rows.build()
            rows = RowBuilder(dim, named=named)
    if len(rows):
        yield rows.build()


def numbers_of(cells: Sequence[object]) -> list[float] | ValueError:
    """Return the numbers of a row, or what is wrong with one of them."""
    found = []
    for cell in cells:
        try:
            # Python takes 1_000 for a number.
            found.append(float(str(cell).replace("_", "?")))
        except ValueError:
            return ValueError(
                f"expected numbers with decimal points, got {shorten(str(cell), _SHOWN_NAME)!r}"
            )
    return found


def unit_rows(rows: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return templates with unit norm, and which of them are finite and not zero.

    Args:
        rows: Shape (rows, dim).
    """
    values = rows.astype(np.float64)
    largest = np.abs(values).max(1, keepdims=True)
    usable = (np.isfinite(largest) & (largest != 0))[:, 0]
    values[~usable], largest[~usable] = 1, 1
    # By the largest number first: a norm's squares could leave the range.
    values /= largest
    unit: NDArray[np.float32] = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
    return unit, usable


def identity_of(value: object) -> str:
    """Return the identity in a cell, without the byte order mark that begins the first line of many files.

    Raises:
        ValueError: If it is no text and no whole number, is empty, or too long; says so.
    """
    # A NULL is no identity: rows without one do not belong to one person.
    if value is None:
        raise ValueError("expected an identity, got NULL")
    if isinstance(value, bool) or not isinstance(value, str | int | np.integer):
        raise ValueError(f"expected identities as texts or whole numbers, got {type(value).__name__}")
    # Numbers first: those of thousands of digits cannot become a text.
    if isinstance(value, int) and value.bit_length() > 128:
        raise ValueError("expected identities of 64 bits, got a longer one")
    name = str(value).removeprefix("\ufeff")
    if not name.strip():
        raise ValueError("expected an identity, got an empty text")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ValueError(_not_unicode(name)) from None
    if len(name) > MAX_NAME:
        raise ValueError(f"expected identities of at most {MAX_NAME} characters, got {len(name):,}")
    return name


def _not_unicode(name: str) -> str:
    try:
        # What Python keeps of bytes that are no UTF-8.
        found = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return "expected identities in Unicode, got half a character"
    return f"expected identities in UTF-8, got the bytes {found[:_SHOWN_NAME]!r}"


def identities_of(values: list[object]) -> tuple[list[str | None], dict[int, str]]:
    """Return the identities in a column, None where there is none, and what is wrong with these, by row."""
    names: list[str | None] = []
    faults = {}
    for row, value in enumerate(values):
        try:
            names.append(identity_of(value))
        except ValueError as error:
            names.append(None)
            faults[row] = str(error)
    return names, faults


def place(row: int, name: str | None) -> str:
    """Return what messages call a row: its number in the file, and the beginning of the identity in it."""
    return f"row {row}" if name is None else f"row {row} ({shorten(name, _SHOWN_NAME)!r})"


def wrong_size(path: Path, dim: int, found: str) -> InputError:
    """Return the error of templates that the network does not make."""
    return InputError(
        f"{printable(path)}: expected templates of {dim} real numbers, as the network makes them, got "
        f"{found}; check --model"
    )
