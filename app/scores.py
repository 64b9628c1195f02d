"""Verdicts of the judge for readers: a plot among pairs of real photographs, and a sentence."""

from typing import Any

import numpy as np

from arcinvert.evaluation.calibration import Histogram, Threshold
from arcinvert.output.verdicts import one_in

from .svg import DIFFERENT, RECONSTRUCTION, SAME, Axis, frame, path, steps, text

#: The range of similarities in the plot, and its size, pixels.
_SIMILARITY = Axis("similarity by the judge", -0.1, 0.9, (0.0, 0.2, 0.4, 0.6, 0.8))
_WIDTH, _LEFT, _RIGHT, _TOP, _BASE = 380, 10, 370, 24, 110
#: Where the names of the two distributions stand, in similarity.
_DIFFERENT_AT, _SAME_AT = 0.12, 0.66
#: Half the width of the label of the reconstruction, pixels.
_LABEL = 84
#: Dashes of the threshold and of the other marks.
_LONG, _SHORT = "8 3", "2 2"


def decisive(verdict: dict[str, Any]) -> tuple[float | None, float | None]:
    """Return the similarity that decides, with its floor: Type II where there is one, else Type I."""
    if verdict["type_2"] is not None:
        return verdict["type_2"], verdict["floor_type_2"]
    return verdict["type_1"], verdict["floor_type_1"]


def meaning(verdict: dict[str, Any], threshold: Threshold) -> str:
    """Return the meaning of a verdict in one or two sentences."""
    value, floor = decisive(verdict)
    face = "" if verdict["face_detected"] else " The detector finds no face in the picture."
    if value is None:
        return "This cannot be judged: there is no photograph of the person to compare with." + face
    against = (
        "another photograph of the person"
        if verdict["type_2"] is not None
        else "the photograph that the template came from"
    )
    rate = f"at a threshold that {one_in(threshold.fmr)} pairs of different people pass"
    if value > threshold.similarity:
        return (
            f"A recogniser that was not attacked takes this picture and {against} for the same person, "
            f"{rate}.{face}"
        )
    nearer = (
        "The picture is closer to the person than the mean face is."
        if floor is not None and value > floor
        else "The picture is no closer to the person than the mean face is."
    )
    return (
        f"A recogniser that was not attacked does not take this picture and {against} for the same person, "
        f"{rate}. {nearer}" + face
    )


def similarity_plot(verdict: dict[str, Any], threshold: Threshold, histogram: Histogram) -> str:
    """Return a plot of a reconstruction among pairs of different people and pairs of one person."""
    value, floor = decisive(verdict)
    marks = [
        (
            threshold.similarity,
            f"threshold {threshold.similarity:.2f}: {one_in(threshold.fmr)} pass",
            _LONG,
        )
    ]
    if floor is not None:
        marks.append((floor, f"floor {floor:.2f}: the mean face", _SHORT))
    if verdict["ceiling"] is not None:
        marks.append((verdict["ceiling"], f"ceiling {verdict['ceiling']:.2f}: a real photograph", _SHORT))
    parts = [_distributions(histogram), _axis(), *(_mark(number, *mark) for number, mark in enumerate(marks))]
    described = "no photograph to compare with"
    if value is not None:
        described = f"this reconstruction at {value:.2f}"
        parts.append(_reconstruction(value))
    listed = ", ".join([described, *(words for _, words, _ in marks)])
    title = f"Similarity by the judge, between pairs of different people and pairs of one person: {listed}"
    return frame(_WIDTH, _BASE + 26 + 18 * len(marks), title, "".join(parts))


def _place(similarity: float) -> float:
    return float(_SIMILARITY.place(similarity, _LEFT, _RIGHT))


def _distributions(histogram: Histogram) -> str:
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
                _BASE - y[inside] * (_BASE - _TOP - 12),
                attributes=f'fill="{colour}" fill-opacity="0.3" stroke="{colour}" stroke-width="1"',
                close=True,
            )
        )
        parts.append(text(_place(at), _BASE - 8, name, style="inside"))
    return "".join(parts)


def _axis() -> str:
    ticks = "".join(text(_place(tick), _BASE + 15, f"{tick:.1f}") for tick in _SIMILARITY.ticks)
    return f'<line class="axis" x1="{_LEFT}" x2="{_RIGHT}" y1="{_BASE}" y2="{_BASE}"/>{ticks}'


def _mark(number: int, similarity: float, words: str, dash: str) -> str:
    """Return a dashed line with its text in a row of its own below the axis."""
    place, low = _place(similarity), _BASE + 36 + 18 * number
    top = _TOP if dash == _LONG else _BASE - 24
    line = (
        f'<line class="axis" x1="{place:.1f}" x2="{place:.1f}" y1="{top}" y2="{low - 4}" '
        f'stroke-dasharray="{dash}"/>'
    )
    if place < _WIDTH / 2:
        return line + text(place + 5, low, words, anchor="start")
    return line + text(place - 5, low, words, anchor="end")


def _reconstruction(value: float) -> str:
    place = _place(value)
    near = float(np.clip(place, _LEFT + _LABEL, _RIGHT - _LABEL))
    return (
        f'<path d="M{place - 7:.1f},{_TOP - 4} h14 l-7,10 z" fill="{RECONSTRUCTION}"/>'
        f'<line x1="{place:.1f}" x2="{place:.1f}" y1="{_TOP}" y2="{_BASE}" stroke="{RECONSTRUCTION}" '
        'stroke-width="2.5"/>' + text(near, 13, f"this reconstruction {value:.2f}", style="label")
    )


def attacked_similarity(similarity: float) -> str:
    """Return the similarity by the attacked network, set apart from the judge's."""
    clipped = min(max(similarity, 0.0), 1.0)
    return (
        '<p class="ai-own">Cosine similarity by the attacked network: '
        f'<meter min="0" max="1" value="{clipped:.3f}" aria-label="Cosine similarity"></meter> '
        f"<b>{similarity:.2f}</b>. The picture was optimised for this number, so it proves nothing.</p>"
    )
