"""Plots as a few shapes with roles, to which HTML and PDF give their own colours."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from arcinvert.output.mark_labels import GAP, place_names

Role = Literal["ink", "quiet", "grid", "first", "second", "third", "fourth"]
#: The roles of series, in order.
SERIES: tuple[Role, ...] = ("first", "second", "third", "fourth")
#: Dashes of the series, so that they differ without colour too.
_DASHES: tuple[tuple[int, ...], ...] = ((), (7, 4), (2, 3), (9, 3, 2, 3))

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """A polyline through points, with its width and dashes in pixels."""

    points: tuple[Point, ...]
    role: Role
    width: float = 2.0
    dash: tuple[int, ...] = ()


@dataclass(frozen=True)
class Area:
    """A filled polygon."""

    points: tuple[Point, ...]
    role: Role


@dataclass(frozen=True)
class Dot:
    """A point marker."""

    at: Point
    role: Role
    hollow: bool = False


@dataclass(frozen=True)
class Label:
    """Text at a point; `turned` text reads upwards."""

    at: Point
    text: str
    role: Role = "quiet"
    anchor: Literal["start", "middle", "end"] = "start"
    turned: bool = False


Shape = Line | Area | Dot | Label


@dataclass(frozen=True)
class Plot:
    """Shapes on a canvas, in pixels from the upper left."""

    width: float
    height: float
    shapes: tuple[Shape, ...]


@dataclass(frozen=True)
class Series:
    """A curve: points in data coordinates, and the lower and upper ends of its band if it has one."""

    name: str
    points: tuple[Point, ...]
    band: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Mark:
    """A vertical line with a name, at x in data coordinates."""

    name: str
    x: float


_WIDTH, _LEFT, _RIGHT, _TOP, _BOTTOM = 680.0, 62.0, 14.0, 14.0, 46.0
_LEGEND_LINE = 20.0
#: The height of a row of names above the curves, and how wide a character is in a wide font, pixels.
_NAME_ROW, _CHARACTER = 15.0, 7.8


def _deviate(share: float) -> float:
    return NormalDist().inv_cdf(share)


#: How data coordinates are spread along an axis; `deviate` takes shares between 0 and 1.
Scale = Literal["linear", "log", "deviate"]
_SCALES: dict[Scale, Callable[[float], float]] = {"linear": float, "log": math.log10, "deviate": _deviate}
#: Most rows whose names are written beside them.
_MOST_NAMES = 40
#: Shares up to a half that an axis of normal deviates marks, those first that stand where few have room.
_DECADES = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1)
_BETWEEN = (0.4, 0.2, *(first * decade for first in (5, 2) for decade in _DECADES[:-1]))
#: All that such an axis marks or ends at, as the detection error trade-offs of ISO/IEC 19795-1.
_SHARES = tuple(round(share, 7) for half in (_DECADES, _BETWEEN) for low in half for share in (low, 1 - low))
#: Pixels between the marks of a vertical axis, and at least between the words of a horizontal one.
_APART = 14.0


class _Frame:
    """Maps data coordinates to the canvas."""

    def __init__(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        *,
        height: float,
        legend: int,
        scales: tuple[Scale, Scale] = ("linear", "linear"),
        left: float = _LEFT,
        top: float = _TOP,
    ) -> None:
        self.scales, self.left, self.top = scales, left, top
        self.x, self.y = x, y
        self.bottom = height - _BOTTOM - legend * _LEGEND_LINE
        self.height = height

    def __call__(self, point: Point) -> Point:
        across, up = (
            (scale(value) - scale(low)) / (scale(high) - scale(low))
            for value, (low, high), scale in zip(
                point, (self.x, self.y), (_SCALES[name] for name in self.scales), strict=True
            )
        )
        return (
            round(self.left + across * (_WIDTH - self.left - _RIGHT), 2),
            round(self.bottom - up * (self.bottom - self.top), 2),
        )


def chart(
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    x: tuple[float, float],
    y: tuple[float, float],
    x_scale: Scale = "linear",
    y_scale: Scale = "linear",
    x_text: Callable[[float], str] = "{:g}".format,
    marks: Sequence[Mark] = (),
    height: float = 340.0,
) -> Plot:
    """Return curves with bands, axes, marks with their names above, and a legend below.

    Args:
        series: The curves.
        x_label: Below the x axis.
        y_label: Beside the y axis.
        x: The range of the x axis.
        y: The range of the y axis.
        x_scale: How the x axis is spread.
        y_scale: How the y axis is spread.
        x_text: Writes a value that the x axis marks.
        marks: Vertical lines.
        height: Of the canvas, pixels.
    """
    legend_rows = math.ceil(len(series) / 3) if series else 0
    seen = [mark for mark in marks if x[0] <= mark.x <= x[1]]
    frame = _Frame(
        x,
        y,
        height=height + len(seen) * _NAME_ROW,
        legend=legend_rows,
        scales=(x_scale, y_scale),
        top=_TOP + len(seen) * _NAME_ROW,
    )
    shapes: list[Shape] = [*_axes(frame, x_label, y_label, x_text), *_marks(frame, seen)]
    height = frame.height
    for index, one in enumerate(series):
        role, dash = SERIES[index % 4], _DASHES[index % 4]
        if one.band:
            upper = [frame((p[0], min(b[1], y[1]))) for p, b in zip(one.points, one.band, strict=True)]
            lower = [frame((p[0], max(b[0], y[0]))) for p, b in zip(one.points, one.band, strict=True)]
            shapes.append(Area((*upper, *reversed(lower)), role))
        if len(one.points) > 1:
            shapes.append(Line(tuple(map(frame, one.points)), role, 2.0, dash))
        elif one.points:
            shapes.append(Dot(frame(one.points[0]), role))
        left = _LEFT + (index % 3) * (_WIDTH - _LEFT - _RIGHT) / 3
        level = height - 6 - (legend_rows - 1 - index // 3) * _LEGEND_LINE
        shapes.append(Line(((left, level - 4), (left + 26, level - 4)), role, 2.0, dash))
        shapes.append(Label((left + 32, level), one.name, "ink"))
    return Plot(_WIDTH, height, tuple(shapes))


def _marks(frame: _Frame, marks: Sequence[Mark]) -> list[Shape]:
    """Return vertical lines, with their names in rows above the curves, which no line crosses."""
    lines = [frame((mark.x, frame.y[0])) for mark in marks]
    widths = [len(mark.name) * _CHARACTER for mark in marks]
    places = place_names([across for across, _ in lines], widths, frame.left, _WIDTH)
    shapes: list[Shape] = []
    for mark, (across, bottom), place in zip(marks, lines, places, strict=True):
        level = frame.top - place.row * _NAME_ROW - 4
        shapes.append(Line(((across, level - 8), (across, bottom)), "quiet", 1.0, (3, 3)))
        shift = GAP if place.side == "start" else -GAP
        shapes.append(Label((across + shift, level), mark.name, "quiet", place.side))
    return shapes


def _axes(
    frame: _Frame, x_label: str, y_label: str, x_text: Callable[[float], str] = "{:g}".format
) -> list[Shape]:
    shapes: list[Shape] = []
    values = _marked(frame.scales[1], *frame.y)
    levels = [frame((frame.x[0], value))[1] for value in values]
    for value in (values[one] for one in _with_room(levels, [_APART] * len(values))):
        left, level = frame((frame.x[0], value))
        right, _ = frame((frame.x[1], value))
        shapes.append(Line(((left, level), (right, level)), "grid", 1.0))
        shapes.append(Label((left - 7, level + 4), f"{value:g}", "quiet", "end"))
    values = _marked(frame.scales[0], *frame.x)
    places = [frame((value, frame.y[0]))[0] for value in values]
    for value in (values[one] for one in _with_room(places, [_room(x_text(value)) for value in values])):
        across, level = frame((value, frame.y[0]))
        shapes.append(Line(((across, level), (across, level + 4)), "quiet", 1.0))
        words = x_text(value)
        # What would be cut off at the right edge ends there.
        cut = across + len(words) * _CHARACTER / 2 > _WIDTH
        place = _WIDTH if cut else across
        shapes.append(Label((place, level + 18), words, "quiet", "end" if cut else "middle"))
    left, bottom = frame((frame.x[0], frame.y[0]))
    right, top = frame((frame.x[1], frame.y[1]))
    shapes.append(Line(((left, bottom), (right, bottom)), "quiet", 1.0))
    shapes.append(Label(((left + right) / 2, bottom + 36), x_label, "ink", "middle"))
    shapes.append(Label((14, (top + bottom) / 2), y_label, "ink", "middle", turned=True))
    return shapes


def share_range(shares: Sequence[float]) -> tuple[float, float]:
    """Return the narrowest range of an axis of normal deviates that holds shares and ends at round ones.

    Args:
        shares: Above 0 and below 1, at least one.
    """
    least, most = min(shares), max(shares)
    low = max((share for share in _SHARES if share <= least), default=least)
    high = min((share for share in _SHARES if share >= most and share > low), default=most)
    return low, high


def _marked(scale: Scale, low: float, high: float) -> list[float]:
    """Return the values that an axis may mark, those first that stand where few have room."""
    if scale == "deviate":
        return [share for share in _SHARES if low <= share <= high]
    return _decades(low, high) if scale == "log" else _ticks(low, high)


def _with_room(places: Sequence[float], lengths: Sequence[float]) -> list[int]:
    """Return which marks of an axis are far enough from all before them, by their numbers.

    Args:
        places: Where each stands along the axis, pixels.
        lengths: How much of the axis its words take, pixels.
    """
    kept: list[int] = []
    for one, (place, length) in enumerate(zip(places, lengths, strict=True)):
        if all(abs(place - places[other]) >= (length + lengths[other]) / 2 for other in kept):
            kept.append(one)
    return kept


def _ticks(low: float, high: float) -> list[float]:
    """Return about five round numbers in a range."""
    step = 10 ** math.floor(math.log10((high - low) / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (step * factor) <= 6)
    first = math.ceil(low / step - 1e-9)
    return [round(number * step, 10) for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _room(words: str) -> float:
    """Return how much of a horizontal axis words take with the space after them, pixels."""
    return len(words) * _CHARACTER + _APART


def _decades(low: float, high: float) -> list[float]:
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    return [float(10.0**power) for power in range(first, last + 1)]


def dumbbells(
    rows: Sequence[tuple[str, float, float, float]], *, x_label: str, names: tuple[str, str, str]
) -> Plot:
    """Return one row for each item: its low and high end joined by a line, and its value.

    Args:
        rows: Name, low end, value and high end.
        x_label: Below the x axis.
        names: What the three dots are, for the legend.
    """
    values = [value for row in rows for value in row[1:]]
    low, high = min(values), max(values)
    pad = (high - low) * 0.04 or 0.1
    each = 15.0
    height = _TOP + len(rows) * each + _BOTTOM + _LEGEND_LINE
    named = len(rows) <= _MOST_NAMES
    longest = max(len(name) for name, *_ in rows)
    left = max(_LEFT, 12 + longest * _CHARACTER) if named else _LEFT
    frame = _Frame((low - pad, high + pad), (0.0, len(rows)), height=height, legend=1, left=left)
    shapes: list[Shape] = [shape for shape in _axes(frame, x_label, "") if not _is_y_axis(shape)]
    for index, (name, floor, value, ceiling) in enumerate(rows):
        level = len(rows) - index - 0.5
        begin, end = frame((floor, level)), frame((ceiling, level))
        shapes += [Line((begin, end), "grid", 3.0), Dot(begin, "quiet", hollow=True)]
        shapes += [Dot(end, "third", hollow=True), Dot(frame((value, level)), "first")]
        if named:
            shapes.append(Label((left - 6, begin[1] + 4), name, "quiet", "end"))
    roles: tuple[tuple[Role, bool], ...] = (("quiet", True), ("first", False), ("third", True))
    for index, (name, (role, hollow)) in enumerate(zip(names, roles, strict=True)):
        left = _LEFT + index * (_WIDTH - _LEFT - _RIGHT) / 3
        shapes.append(Dot((left + 8, height - 10), role, hollow))
        shapes.append(Label((left + 20, height - 6), name, "ink"))
    return Plot(_WIDTH, height, tuple(shapes))


def _is_y_axis(shape: Shape) -> bool:
    """Return whether a shape belongs to the numbered y axis, which rows of names do not need."""
    if isinstance(shape, Line):
        return shape.role == "grid"
    return isinstance(shape, Label) and (shape.anchor == "end" or shape.turned)
