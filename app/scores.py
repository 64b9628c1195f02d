"""Verdicts of the judge for readers: one plot of all reconstructions among pairs of real photographs."""

from collections.abc import Mapping, Sequence
from typing import Any

from arcinvert.evaluation.calibration import Histogram, Threshold
from arcinvert.output.verdicts import one_in

from .svg import DIFFERENT, RECONSTRUCTION, SAME, Axis, frame, path, steps, text

#: The range of similarities in the plot, and its size, pixels.
_SIMILARITY = Axis("similarity by the judge", -0.1, 0.9, (0.0, 0.2, 0.4, 0.6, 0.8))
_WIDTH, _LEFT, _RIGHT, _HEIGHT = 420, 10, 410, 92
#: Where the names of the two distributions stand, in similarity.
_DIFFERENT_AT, _SAME_AT = 0.1, 0.66
#: Size of the number of a reconstruction, pixels: closer ones stand above each other.
_MARK_WIDTH, _MARK_HEIGHT = 18, 17
#: Dashes of thresholds and of the other marks.
_LONG, _SHORT = "8 3", "2 2"


def decisive(verdict: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the similarity that decides, with its floor: Type II where there is one, else Type I."""
    if verdict["type_2"] is not None:
        return verdict["type_2"], verdict["floor_type_2"]
    return verdict["type_1"], verdict["floor_type_1"]


def similarity_plot(
    verdicts: Sequence[Mapping[str, Any]], thresholds: Sequence[Threshold], histogram: Histogram
) -> str:
    """Return a plot of one person's reconstructions among pairs of strangers and pairs of one person.

    Args:
        verdicts: The verdicts on the reconstructions, numbered from 1 in the plot; at least one.
        thresholds: The judge's.
        histogram: The judge's similarities of pairs of photographs.
    """
    values = [value for value, _ in map(decisive, verdicts)]
    _, floor = decisive(verdicts[0])
    ceiling = verdicts[0]["ceiling"]
    marks = [
        (one.similarity, f"{one_in(one.fmr)} strangers pass: {one.similarity:.2f}", _LONG)
        for one in thresholds
    ]
    if floor is not None:
        marks.append((floor, f"floor, the mean face: {floor:.2f}", _SHORT))
    if ceiling is not None:
        marks.append((ceiling, f"ceiling, a real photograph: {ceiling:.2f}", _SHORT))
    rows = mark_rows([None if value is None else _place(value) for value in values])
    # Numbers of reconstructions stand above the curves, in as many rows as they need.
    top = 22 + _MARK_HEIGHT * max((row + 1 for row in rows if row is not None), default=0)
    base = top + _HEIGHT
    parts = [
        _distributions(histogram, top, base),
        _axis(base),
        *(_mark(number, *mark, top, base) for number, mark in enumerate(marks)),
    ]
    described, numbers = [], []
    for number, (value, row) in enumerate(zip(values, rows, strict=True), 1):
        if value is not None and row is not None:
            described.append(f"reconstruction {number} at {value:.2f}")
            parts.append(_reconstruction(value, top - _MARK_HEIGHT * row, base))
            numbers.append(text(_place(value), top - _MARK_HEIGHT * row - 7, str(number), style="label"))
    # Lines of higher numbers pass by lower ones, which stay readable above them.
    parts += numbers
    if described:
        parts.append(text(_LEFT, 13, "the reconstructions by number", anchor="start", style="label"))
    listed = ", ".join([*(described or ["no photograph to compare with"]), *(words for _, words, _ in marks)])
    title = f"Similarity by the judge, between pairs of different people and pairs of one person: {listed}"
    return frame(_WIDTH, base + 26 + 18 * len(marks), title, "".join(parts))


def mark_rows(places: Sequence[float | None]) -> list[int | None]:
    """Return the row of each number, from 0 at the curves up, so that none covers another.

    Args:
        places: Where each number stands, pixels; None has no row.
    """
    rows: list[int | None] = []
    for number, place in enumerate(places):
        if place is None:
            rows.append(None)
            continue
        taken = {
            row
            for other, row in zip(places[:number], rows, strict=True)
            if other is not None and row is not None and abs(other - place) < _MARK_WIDTH
        }
        rows.append(next(row for row in range(len(places)) if row not in taken))
    return rows


def _place(similarity: float) -> float:
    return float(_SIMILARITY.place(similarity, _LEFT, _RIGHT))


def _distributions(histogram: Histogram, top: float, base: float) -> str:
    peak = max(histogram.nonmated.max(), histogram.mated.max())
    parts = []
    for shares, colour, name, at in (
        (histogram.nonmated, DIFFERENT, "different people", _DIFFERENT_AT),
        (histogram.mated, SAME, "same person", _SAME_AT),
    ):
        x, y = steps(histogram.edges, shares / peak)
        inside = (x >= _SIMILARITY.low - 1e-9) & (x <= _SIMILARITY.high + 1e-9)
        parts.append(
            path(
                _SIMILARITY.place(x[inside], _LEFT, _RIGHT),
                base - y[inside] * (base - top - 12),
                attributes=f'fill="{colour}" fill-opacity="0.3" stroke="{colour}" stroke-width="1"',
                close=True,
            )
        )
        parts.append(text(_place(at), base - 8, name, style="inside"))
    return "".join(parts)


def _axis(base: float) -> str:
    ticks = "".join(text(_place(tick), base + 15, f"{tick:.1f}") for tick in _SIMILARITY.ticks)
    return f'<line class="axis" x1="{_LEFT}" x2="{_RIGHT}" y1="{base}" y2="{base}"/>{ticks}'


def _mark(number: int, similarity: float, words: str, dash: str, top: float, base: float) -> str:
    """Return a dashed line with its text in a row of its own below the axis."""
    place, low = _place(similarity), base + 36 + 18 * number
    line = (
        f'<line class="axis" x1="{place:.1f}" x2="{place:.1f}" y1="{top if dash == _LONG else base - 24}" '
        f'y2="{low - 4}" stroke-dasharray="{dash}"/>'
    )
    if place < _WIDTH / 2:
        return line + text(place + 5, low, words, anchor="start")
    return line + text(place - 5, low, words, anchor="end")


def _reconstruction(value: float, top: float, base: float) -> str:
    place = _place(value)
    return (
        f'<line x1="{place:.1f}" x2="{place:.1f}" y1="{top}" y2="{base}" stroke="{RECONSTRUCTION}" '
        f'stroke-width="2"/><path d="M{place - 5:.1f},{top - 4} h10 l-5,8 z" fill="{RECONSTRUCTION}"/>'
    )
