"""The parts that a report is made of, independent of how they are shown."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.report.plots import Plot


@dataclass(frozen=True)
class Title:
    """The title of the document, and a line below it."""

    text: str
    below: str


@dataclass(frozen=True)
class Heading:
    """Begins a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Running text; `strong` marks the answer itself."""

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Verdict:
    """Pass, fail, or neither, with the reason."""

    word: str
    reason: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Cells as text; the first column heads its row."""

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A plot, and a description of what it shows for those who cannot see it."""

    plot: Plot
    caption: str
    description: str


@dataclass(frozen=True)
class Picture:
    """The pictures of one identity, uint8 HWC, each with a label."""

    caption: str
    images: tuple[tuple[str, NDArray[np.uint8]], ...]


@dataclass(frozen=True)
class Pictures:
    """A contact sheet with one row for each identity."""

    caption: str
    rows: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Code:
    """Text to copy."""

    text: str


Block = Title | Heading | Paragraph | Verdict | Bullets | Table | Figure | Pictures | Code
