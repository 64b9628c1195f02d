"""Verdicts of the judge for readers: one plot of all reconstructions among pairs of real photographs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arcinvert.evaluation.calibration import Histogram, Threshold
from arcinvert.output.mark_labels import GAP, place_names
from arcinvert.output.verdicts import one_in

from .svg import DIFFERENT, SAME, Axis, frame, legend, path, sample, steps, swatch, text

#: The range of similarities in the plot, and its size, pixels.
_SIMILARITY = Axis("similarity to the person, as the judge sees it", -0.1, 0.9, (0.0, 0.2, 0.4, 0.6, 0.8))
_WIDTH, _LEFT, _RIGHT, _HEIGHT = 420, 10, 410, 88
#: The height of a row of names above the curves, and about how wide a character is on a phone, pixels.
_NAME_ROW, _CHARACTER = 18, 8.3
#: The radius of the number of a reconstruction, and the distance of two, pixels: closer ones are in two rows.
_RADIUS, _APART = 9, 20
#: The colour of the circles: darker than in other plots, since white numbers are in them.
_NUMBER = "#a84300"
#: Dashes of thresholds and of the other marks.
_LONG, _SHORT = "8 3", "2 3"


def decisive(verdict: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the similarity that decides, with its floor: Type II where there is one, else Type I."""
    if verdict["type_2"] is not None:
        return verdict["type_2"], verdict["floor_type_2"]
    return verdict["type_1"], verdict["floor_type_1"]


def similarity_plot(
    verdicts: Sequence[Mapping[str, Any]], thresholds: Sequence[Threshold], histogram: Histogram
) -> str:
    """Return a plot of one person's reconstructions among pairs of strangers and pairs of one person.

    Beside it, or below it where there is no room, a legend says what each mark is.

    Args:
        verdicts: The verdicts on the reconstructions, numbered from 1 in the plot; at least one.
        thresholds: The judge's.
        histogram: The judge's similarities of pairs of photographs.
    """
    values = [value for value, _ in map(decisive, verdicts)]
    _, floor = decisive(verdicts[0])
    ceiling = verdicts[0]["ceiling"]
    marks = [_Mark(one.similarity, one_in(one.fmr), "strangers pass", _LONG) for one in thresholds]
    if floor is not None:
        marks.append(_Mark(floor, "floor", "the mean face", _SHORT))
    if ceiling is not None:
        marks.append(_Mark(ceiling, "ceiling", "a real photograph", _SHORT))
    top = 6 + _NAME_ROW * len(marks)
    base = top + _HEIGHT
    rows = mark_rows([None if value is None else _place(value) for value in values])
    # Numbers of reconstructions stand between the curves and the axis, in as many rows as they need.
    axis = base + _APART * max((row + 1 for row in rows if row is not None), default=0) + 4
    parts = [_distributions(histogram, top, base), _marks(marks, top, axis)]
    described = []
    for number, (value, row) in enumerate(zip(values, rows, strict=True), 1):
        if value is not None and row is not None:
            described.append(f"reconstruction {number} at {value:.2f}")
            parts.append(_reconstruction(number, _place(value), base + 3 + _APART * row + _RADIUS))
    parts.append(_axis(axis))
    listed = ", ".join(
        [
            *(described or ["no photograph to compare with"]),
            *(f"{one.name} {one.words}: {one.similarity:.2f}" for one in marks[: len(thresholds)]),
            *(f"{one.name}, {one.words}: {one.similarity:.2f}" for one in marks[len(thresholds) :]),
        ]
    )
    title = f"Similarity by the judge, between pairs of different people and pairs of one person: {listed}"
    plot = frame(_WIDTH, axis + 46, title, "".join(parts))
    return f'<div class="ai-scores">{plot}{_legend(marks, thresholds, drawn=bool(described))}</div>'


@dataclass(frozen=True)
class _Mark:
    """A vertical line: where it stands, its name, what it is, and its dashes."""

    similarity: float
    name: str
    words: str
    dash: str


def _legend(marks: Sequence[_Mark], thresholds: Sequence[Threshold], *, drawn: bool) -> str:
    """Return what the marks of the plot are."""
    rates = " or ".join(one_in(one.fmr) for one in thresholds)
    items = [
        (swatch(DIFFERENT), "Pairs of photographs of different people"),
        (swatch(SAME), "Pairs of photographs of the same person"),
        (
            sample(f'class="axis" stroke-dasharray="{_LONG}"'),
            f"Thresholds: {rates} pairs of different people are as similar. A face to the right of one "
            "is accepted at it.",
        ),
    ]
    if drawn:
        items.insert(0, (_small_number(), "The reconstructions, by number"))
    known = {mark.name for mark in marks}
    dots = sample(f'class="axis" stroke-dasharray="{_SHORT}"')
    if "floor" in known:
        items.append((dots, "Floor: the mean face, which knows nothing of the person"))
    if "ceiling" in known:
        items.append((dots, "Ceiling: a real photograph of the person"))
    return legend(items, "What the plot shows")


def mark_rows(places: Sequence[float | None]) -> list[int | None]:
    """Return the row of each number, from 0 at the curves down, so that none covers another.

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
            if other is not None and row is not None and abs(other - place) < _APART
        }
        rows.append(next(row for row in range(len(places)) if row not in taken))
    return rows


def _place(similarity: float) -> float:
    return float(_SIMILARITY.place(similarity, _LEFT, _RIGHT))


def _distributions(histogram: Histogram, top: float, base: float) -> str:
    peak = max(histogram.nonmated.max(), histogram.mated.max())
    parts = []
    for shares, colour in ((histogram.nonmated, DIFFERENT), (histogram.mated, SAME)):
        x, y = steps(histogram.edges, shares / peak)
        inside = (x >= _SIMILARITY.low - 1e-9) & (x <= _SIMILARITY.high + 1e-9)
        parts.append(
            path(
                _SIMILARITY.place(x[inside], _LEFT, _RIGHT),
                base - y[inside] * (base - top - 6),
                attributes=f'fill="{colour}" fill-opacity="0.3" stroke="{colour}" stroke-width="1"',
                close=True,
            )
        )
    return "".join(parts)


def _axis(level: float) -> str:
    ticks = "".join(text(_place(tick), level + 18, f"{tick:.1f}") for tick in _SIMILARITY.ticks)
    title = text((_LEFT + _RIGHT) / 2, level + 38, _SIMILARITY.label, style="label")
    return f'<line class="axis" x1="{_LEFT}" x2="{_RIGHT}" y1="{level}" y2="{level}"/>{ticks}{title}'


def _marks(marks: Sequence[_Mark], top: float, axis: float) -> str:
    """Return dashed lines from the axis up, with their names at their ends, which no line crosses."""
    names = [f"{mark.name}: {mark.similarity:.2f}" for mark in marks]
    lines = [_place(mark.similarity) for mark in marks]
    places = place_names(lines, [len(name) * _CHARACTER for name in names], 0, _WIDTH)
    parts = []
    for mark, name, line, place in zip(marks, names, lines, places, strict=True):
        level = top - 4 - _NAME_ROW * place.row
        parts.append(
            f'<line class="axis" x1="{line:.1f}" x2="{line:.1f}" y1="{level - 10}" y2="{axis}" '
            f'stroke-dasharray="{mark.dash}"/>'
            + text(line + (GAP if place.side == "start" else -GAP), level, name, anchor=place.side)
        )
    return "".join(parts)


def _reconstruction(number: int, x: float, y: float) -> str:
    """Return a number in a filled circle at a place, pixels."""
    return (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS}" fill="{_NUMBER}"/>'
        f'<text class="number" x="{x:.1f}" y="{y + 4.5:.1f}" text-anchor="middle">{number}</text>'
    )


def _small_number() -> str:
    return (
        '<svg class="ai-sample" viewBox="0 0 34 18" width="34" height="18" aria-hidden="true">'
        f'<circle cx="17" cy="9" r="{_RADIUS}" fill="{_NUMBER}"/></svg>'
    )
