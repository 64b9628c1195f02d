"""Small plots as SVG within the page: they follow its colours, light or dark, and need no script."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

#: Okabe and Ito's colour-blind safe colours, by meaning.
DIFFERENT, SAME, RECONSTRUCTION = "#0072B2", "#009E73", "#D55E00"
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8a8a8a", "#a08000")
#: Dashes of the series, so that they can be told apart without colours.
DASHES = ("", "7 3", "2 3", "9 3 2 3", "4 2", "1 2", "12 4", "6 2 1 2")


@dataclass(frozen=True)
class Axis:
    """An axis: its label, its range and its ticks."""

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, values: NDArray[np.float64] | float, start: float, end: float) -> NDArray[np.float64]:
        """Return the positions of values between the pixels `start` and `end`."""
        fraction = (np.clip(values, self.low, self.high) - self.low) / (self.high - self.low)
        return start + fraction * (end - start)


@dataclass(frozen=True)
class Line:
    """A curve with its name; a broad pale one stays visible below a curve that equals it."""

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    broad: bool = False


def frame(width: int, height: int, title: str, body: str) -> str:
    """Return an SVG picture that shrinks with the page; the title is its alternative text."""
    return (
        f'<svg class="ai-plot" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}" '
        f'style="max-width:{round(width * 1.25)}px"><title>{escape(title)}</title>{body}</svg>'
    )


def text(x: float, y: float, words: str, *, anchor: str = "middle", style: str = "", turn: str = "") -> str:
    """Return a text at a position, pixels."""
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind}{turn}>{escape(words)}</text>'


def path(x: NDArray[np.float64], y: NDArray[np.float64], *, attributes: str, close: bool = False) -> str:
    """Return a line through points, pixels."""
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<{"polygon" if close else "polyline"} points="{points}" {attributes}/>'


def steps(edges: NDArray[np.float64], heights: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Return the outline of a histogram: x and y of its corners."""
    return np.repeat(edges, 2), np.concatenate([[0], np.repeat(heights, 2), [0]])


def line_chart(lines: Sequence[Line], x: Axis, y: Axis, title: str, *, width: int = 420) -> str:
    """Return a plot of curves with axes, and below it a legend that wraps as text does."""
    left, right, top, bottom = 46, width - 12, 30, 268
    parts = [_axes(x, y, left, right, top, bottom)]
    styles = [_style(number, line) for number, line in enumerate(lines)]
    for line, style in zip(lines, styles, strict=True):
        points = x.place(line.x, left, right), y.place(line.y, bottom, top)
        parts.append(path(*points, attributes=f'fill="none" {style}'))
    names = [(sample(style), line.name) for line, style in zip(lines, styles, strict=True)]
    plot = frame(width, bottom + 46, title, "".join(parts))
    return f'<div class="ai-chart">{plot}{legend(names, "Curves")}</div>'


def _style(number: int, line: Line) -> str:
    """Return the stroke of a curve, in the plot as in the legend."""
    colour, dash = SERIES[number % len(SERIES)], DASHES[number % len(DASHES)]
    kind = 'class="broad"' if line.broad else 'stroke-width="2.5"'
    return f'{kind} stroke="{colour}" stroke-dasharray="{dash}"'


def sample(style: str) -> str:
    """Return a short line as a legend shows it, by its attributes."""
    return _small(f'<line x1="0" x2="34" y1="7" y2="7" {style}/>')


def swatch(colour: str) -> str:
    """Return a filled area as a legend shows it."""
    return _small(
        f'<rect x="4" width="26" height="14" fill="{colour}" fill-opacity="0.3" stroke="{colour}"/>'
    )


def _small(body: str) -> str:
    return (
        f'<svg class="ai-sample" viewBox="0 0 34 14" width="34" height="14" aria-hidden="true">{body}</svg>'
    )


def legend(items: Sequence[tuple[str, str]], label: str) -> str:
    """Return a legend as a list beside or below a plot.

    Args:
        items: For each line or area its sample, HTML, and the words, text.
        label: What the list is called for screen readers.
    """
    found = "".join(f"<li>{shown}<span>{escape(words)}</span></li>" for shown, words in items)
    return f'<ul class="ai-legend" aria-label="{escape(label)}">{found}</ul>'


def _axes(x: Axis, y: Axis, left: float, right: float, top: float, bottom: float) -> str:
    parts = []
    for tick in x.ticks:
        place = float(x.place(tick, left, right))
        parts.append(f'<line class="grid" x1="{place:.1f}" x2="{place:.1f}" y1="{top}" y2="{bottom}"/>')
        parts.append(text(place, bottom + 18, f"{tick:g}"))
    for tick in y.ticks:
        place = float(y.place(tick, bottom, top))
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{place:.1f}" y2="{place:.1f}"/>')
        parts.append(text(left - 6, place + 5, f"{tick:g}", anchor="end"))
    parts.append(text((left + right) / 2, bottom + 40, x.label, style="label"))
    # Level and above the plot: turned, it would cover the ticks where the letters are large.
    parts.append(text(2, 14, y.label, anchor="start", style="label"))
    return "".join(parts)
