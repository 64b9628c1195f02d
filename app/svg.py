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
    """A curve with its name; a broad one stays visible below a curve that equals it."""

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


def line_chart(lines: Sequence[Line], x: Axis, y: Axis, title: str, *, width: int = 460) -> str:
    """Return a plot of curves with axes and a legend below."""
    left, right, top, bottom = 52, width - 12, 12, 250
    parts = [_axes(x, y, left, right, top, bottom)]
    for number, line in enumerate(lines):
        dash = DASHES[number % len(DASHES)]
        broad = 'stroke-width="7" stroke-opacity="0.45"' if line.broad else 'stroke-width="2"'
        parts.append(
            path(
                x.place(line.x, left, right),
                y.place(line.y, bottom, top),
                attributes=f'fill="none" stroke="{SERIES[number % len(SERIES)]}" {broad} '
                f'stroke-dasharray="{dash}"',
            )
        )
    legend, height = _legend([line.name for line in lines], left, right, bottom + 52)
    return frame(width, height, title, "".join(parts) + legend)


def _axes(x: Axis, y: Axis, left: float, right: float, top: float, bottom: float) -> str:
    parts = []
    for tick in x.ticks:
        place = float(x.place(tick, left, right))
        parts.append(f'<line class="grid" x1="{place:.1f}" x2="{place:.1f}" y1="{top}" y2="{bottom}"/>')
        parts.append(text(place, bottom + 15, f"{tick:g}"))
    for tick in y.ticks:
        place = float(y.place(tick, bottom, top))
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{place:.1f}" y2="{place:.1f}"/>')
        parts.append(text(left - 6, place + 4, f"{tick:g}", anchor="end"))
    middle = (top + bottom) / 2
    parts.append(text((left + right) / 2, bottom + 33, x.label, style="label"))
    parts.append(text(13, middle, y.label, style="label", turn=f' transform="rotate(-90 13 {middle:.1f})"'))
    return "".join(parts)


def _legend(names: Sequence[str], left: float, right: float, top: float) -> tuple[str, int]:
    """Return the names with samples of their lines, in two columns, and the height at which they end."""
    parts = []
    for number, name in enumerate(names):
        x = left + (number % 2) * (right - left) / 2
        y = top + number // 2 * 18
        colour, dash = SERIES[number % len(SERIES)], DASHES[number % len(DASHES)]
        parts.append(
            f'<line x1="{x:.1f}" x2="{x + 26:.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="3" '
            f'stroke-dasharray="{dash}"/>' + text(x + 32, y + 4, name, anchor="start")
        )
    return "".join(parts), round(top + (len(names) + 1) // 2 * 18)
