"""What a report is made of, free of how it is shown."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.report.plots import Plot


@dataclass(frozen=True)
class Title:
    """The document's title, and a line below it."""

    text: str
    below: str


@dataclass(frozen=True)
class Heading:
    """Begins a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Running text; `strong` for the answer itself."""

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Verdict:
    """Pass, fail, or neither."""

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
    """A plot, and in words what it shows, for who cannot see it."""

    plot: Plot
    caption: str
    description: str


@dataclass(frozen=True)
class Picture:
    """One identity's pictures: uint8 HWC each with a label."""

    caption: str
    images: tuple[tuple[str, NDArray[np.uint8]], ...]


@dataclass(frozen=True)
class Pictures:
    """A contact sheet."""

    caption: str
    rows: tuple[Picture, ...] = field(default=())


@dataclass(frozen=True)
class Code:
    """Text to copy."""

    text: str


Block = Title | Heading | Paragraph | Verdict | Bullets | Table | Figure | Pictures | Code
