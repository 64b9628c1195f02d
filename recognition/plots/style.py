"""What all figures have in common: colours, line styles, axes, and the files they are saved to."""

import os
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from recognition.errors import InputError
from recognition.files import printable
from recognition.images import atomic_path

#: Okabe and Ito's palette, whose colours remain distinct for all common kinds of colour blindness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
#: Line styles, which keep lines distinct when there are more lines than colours.
STYLES = ("-", "--", "-.", ":")
#: Resolution of the PNG files, dots per inch.
DPI = 110


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure; width and height are in inches."""
    return Figure(figsize=(width, height), layout="constrained")


def label_axes(axes: Axes, title: str, x: str, y: str) -> Axes:
    """Set the title, the labels and the grid of axes, and return them."""
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.25)
    return axes


def plain(text: str) -> str:
    """Return a name as matplotlib draws it literally: a dollar sign in it begins no formula."""
    return printable(text).replace("$", r"\$")


def line_style(index: int) -> dict[str, Any]:
    """Return the colour and style of the line with this number, from 0, as keywords of matplotlib."""
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": STYLES[index // len(COLOURS) % len(STYLES)]}


def save_figure(figure: Figure, stem: str | os.PathLike[str]) -> list[Path]:
    """Write a figure as STEM.png and STEM.svg, each whole or not at all, and return the two paths.

    Raises:
        InputError: If the folder cannot be written.
    """
    if not Path(stem).name:
        raise InputError(f"out: expected a path that ends with a name, got {os.fspath(stem)!r}")
    paths = [Path(f"{Path(stem)}.{kind}") for kind in ("png", "svg")]
    # With a fixed salt and no date, the same figure gives the same file.
    with matplotlib.rc_context({"svg.hashsalt": "recognition", "svg.fonttype": "none"}):
        for path in paths:
            with atomic_path(path) as temporary:
                metadata = {"Date": None} if path.suffix == ".svg" else None
                figure.savefig(temporary, format=path.suffix[1:], dpi=DPI, metadata=metadata)
    return paths
