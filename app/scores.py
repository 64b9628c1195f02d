"""What the judge said, as people read it: a bar with the distributions, and a sentence."""

from typing import Any

import numpy as np

from app.svg import DIFFERENT, RECONSTRUCTION, SAME, Axis, frame, path, steps, text
from arcinvert.evaluation.calibration import Histogram, Threshold

#: Of the bar: what it shows of the similarities, and its size, pixels.
_SIMILARITY = Axis("similarity in the judge's eyes", -0.1, 0.9, (0.0, 0.2, 0.4, 0.6, 0.8))
_WIDTH, _LEFT, _RIGHT, _TOP, _BASE = 380, 10, 370, 24, 110


def decisive(verdict: dict[str, Any]) -> tuple[float | None, float | None]:
    """The similarity that counts, Type II where there is one, and its floor."""
    if verdict["type_2"] is not None:
        return verdict["type_2"], verdict["floor_type_2"]
    return verdict["type_1"], verdict["floor_type_1"]


def rate_words(fmr: float) -> str:
    """A false match rate as people say it."""
    return f"1 in {round(1 / fmr):,}"


def meaning(verdict: dict[str, Any], threshold: Threshold) -> str:
    """What a verdict says, in one or two sentences."""
    value, floor = decisive(verdict)
    face = "" if verdict["face_detected"] else " The detector finds no face in it."
    if value is None:
        return "Nobody can say whether it is the person: there is no photograph to compare with." + face
    against = "another photograph of the person" if verdict["type_2"] is not None else "the very photograph"
    rate = rate_words(threshold.fmr)
    if value > threshold.similarity:
        return (
            f"A recogniser that was not attacked takes this picture and {against} for the same person, at a "
            f"threshold that {rate} pairs of different people pass." + face
        )
    nearer = (
        "Yet it is nearer to the person than the mean face is."
        if floor is not None and value > floor
        else "It is no nearer to the person than the mean face is."
    )
    return (
        f"A recogniser that was not attacked does not take this picture and {against} for the same person, "
        f"at a threshold that {rate} pairs of different people pass. {nearer}" + face
    )


def similarity_bar(verdict: dict[str, Any], threshold: Threshold, histogram: Histogram) -> str:
    """A plot: where the reconstruction lies among pairs of different people and of one person."""
    value, floor = decisive(verdict)
    peak = max(histogram.nonmated.max(), histogram.mated.max())
    parts = []
    for shares, colour, name, at in (
        (histogram.nonmated, DIFFERENT, "different people", 0.12),
        (histogram.mated, SAME, "same person", 0.66),
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
        place = float(_SIMILARITY.place(at, _LEFT, _RIGHT))
        parts.append(text(place, _BASE - 8, name, style="inside"))
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{_RIGHT}" y1="{_BASE}" y2="{_BASE}"/>')
    for tick in _SIMILARITY.ticks:
        parts.append(text(float(_SIMILARITY.place(tick, _LEFT, _RIGHT)), _BASE + 15, f"{tick:.1f}"))
    marks = [
        (
            threshold.similarity,
            f"threshold {threshold.similarity:.2f}: {rate_words(threshold.fmr)} pass",
            "8 3",
        ),
    ]
    if floor is not None:
        marks.append((floor, f"floor {floor:.2f}: the mean face", "2 2"))
    if verdict["ceiling"] is not None:
        marks.append((verdict["ceiling"], f"ceiling {verdict['ceiling']:.2f}: a real photograph", "2 2"))
    for number, (similarity, words, dash) in enumerate(marks):
        place, low = float(_SIMILARITY.place(similarity, _LEFT, _RIGHT)), _BASE + 36 + 18 * number
        top = _TOP if dash == "8 3" else _BASE - 24
        parts.append(
            f'<line class="axis" x1="{place:.1f}" x2="{place:.1f}" y1="{top}" y2="{low - 4}" '
            f'stroke-dasharray="{dash}"/>'
        )
        parts.append(
            text(place + 5, low, words, anchor="start")
            if place < _WIDTH / 2
            else text(place - 5, low, words, anchor="end")
        )
    said = "no photograph to compare with"
    if value is not None:
        place = float(_SIMILARITY.place(value, _LEFT, _RIGHT))
        said = f"this reconstruction at {value:.2f}"
        parts.append(
            f'<path d="M{place - 7:.1f},{_TOP - 4} h14 l-7,10 z" fill="{RECONSTRUCTION}"/>'
            f'<line x1="{place:.1f}" x2="{place:.1f}" y1="{_TOP}" y2="{_BASE}" stroke="{RECONSTRUCTION}" '
            'stroke-width="2.5"/>'
        )
        near = float(np.clip(place, _LEFT + 84, _RIGHT - 84))
        parts.append(text(near, 13, f"this reconstruction {value:.2f}", style="label"))
    spoken = ", ".join([said, *(words for _, words, _ in marks)])
    title = f"Similarity in the judge's eyes, between pairs of different people and of one person: {spoken}"
    return frame(_WIDTH, _BASE + 26 + 18 * len(marks), title, "".join(parts))


def own_opinion(similarity: float) -> str:
    """The attacked network's similarity, apart from the judge's."""
    share = min(max(similarity, 0.0), 1.0)
    return (
        '<p class="ai-own">The attacked network itself: cosine '
        f'<meter min="0" max="1" value="{share:.3f}" aria-label="cosine in the attacked network\'s own eyes">'
        f"</meter> <b>{similarity:.2f}</b>. The picture was made to please it, so this proves nothing.</p>"
    )
