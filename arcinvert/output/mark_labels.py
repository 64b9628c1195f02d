"""Where the names of vertical lines in a plot stand, so that no line crosses a name."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Side = Literal["start", "end"]
#: Pixels between a line and its name, and at least between a name and another line.
GAP = 4.0
#: Most lines for which all arrangements are tried.
_MOST = 6


@dataclass(frozen=True)
class Place:
    """Where a name stands.

    Args:
        row: The row above the curves, from 0 at the curves up; the line ends there.
        side: `start` if the name begins at its line, `end` if it ends there.
    """

    row: int
    side: Side


def place_names(lines: Sequence[float], widths: Sequence[float], low: float, high: float) -> list[Place]:
    """Return the places of the names of vertical lines, each in a row of its own and beside its line's end.

    Where names fit to the right of their lines, they stand there, and the rightmost line is the lowest.

    Args:
        lines: Where the lines stand, pixels.
        widths: The widths of the names, pixels.
        low: The left edge of the plot, which names should not cross.
        high: The right edge.
    """
    if len(lines) > _MOST:
        # Few plots have so many: those that are further right are lower, whatever it costs at the edge.
        order = sorted(range(len(lines)), key=lambda one: -lines[one])
        return [Place(order.index(one), "start") for one in range(len(lines))]
    sides: tuple[Side, ...] = ("start", "end")
    best: tuple[float, list[Place]] | None = None
    for chosen in itertools.product(sides, repeat=len(lines)):
        spans = [_span(*given) for given in zip(lines, widths, chosen, strict=True)]
        outside = sum(max(0.0, low - left) + max(0.0, right - high) for left, right in spans)
        for rows in itertools.permutations(range(len(lines))):
            crossed = sum(
                rows[other] > rows[one] and spans[one][0] - GAP < lines[other] < spans[one][1] + GAP
                for one in range(len(lines))
                for other in range(len(lines))
            )
            cost = outside + 1000.0 * crossed
            if best is None or cost < best[0]:
                best = cost, [Place(row, side) for row, side in zip(rows, chosen, strict=True)]
            if best[0] == 0:
                return best[1]
    return best[1] if best else []


def _span(line: float, width: float, side: Side) -> tuple[float, float]:
    """Return the left and the right end of a name."""
    return (line + GAP, line + GAP + width) if side == "start" else (line - GAP - width, line - GAP)
