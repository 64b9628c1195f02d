"""Trainings of the Learn tab as pictures: one circle each, which the script of the page animates."""

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from .html import note
from .learn import Margin
from .svg import SERIES, frame, text
from .toy import DRAWN, FRAME_STEPS, LOSSES, drawn, train_toy

#: The side of a picture, and the radius of its circle, pixels.
_SIDE, _RADIUS = 300, 112
#: The fractions of the radius at which a face's stroke begins and a centre's line ends.
_STROKE, _CENTRE = 0.8, 0.74


def toys_view(toys: dict[str, dict[str, Any]]) -> str:
    """Return the trainings side by side, with a play button and a slider over the steps.

    Args:
        toys: What is drawn of each, by the titles of `LOSSES`, all with frames after the same steps.
    """
    return _player([(toys[loss.title], loss.title, loss.words) for loss in LOSSES]) + note(
        "A stroke outside is a face of one of the eight people, a line inside with a number is the "
        "centre of their class. All five have the same photographs and the same initial weights."
    )


def _player(trainings: Sequence[tuple[dict[str, Any], str, str]]) -> str:
    """Return trainings side by side, which play when they are first seen.

    Args:
        trainings: What is drawn of each, its title and words; all have frames after the same steps.
    """
    steps = trainings[0][0]["steps"]
    figures = "".join(toy_figure(*training) for training in trainings)
    paths = [{name: toy[name] for name in ("faces", "centres")} for toy, _, _ in trainings]
    data = escape(json.dumps({"steps": steps, "toys": paths}, separators=(",", ":")))
    return (
        f'<div class="ai-toys" data-player="toys" data-autoplay data-toys="{data}">'
        '<div class="ai-scrubber"><button type="button">Play</button>'
        f'<input type="range" min="0" max="{steps[-1]}" value="{steps[-1]}" '
        'aria-label="Step of the training">'
        f"<span>step <output>{steps[-1]}</output> of {steps[-1]}</span></div>"
        f'<div class="ai-toy-row">{figures}</div></div>'
    )


def toy_figure(toy: dict[str, Any], title: str, words: str) -> str:
    """Return a picture of a training at its end, with what was measured.

    Args:
        toy: What is drawn, from `toy.drawn`.
        title: The name of the loss.
        words: What the loss does.
    """
    measured = (
        f"On average {toy['within']:.1f}° from a face to its centre and {toy['between']:.1f}° between "
        f"neighbouring centres; {toy['correct']:.0%} of the faces are nearest to their own centre."
    )
    plot = frame(_SIDE, _SIDE, f"{title} after training. {measured}", _circle(toy))
    return (
        f'<figure class="ai-toy">{plot}<figcaption><b>{escape(title)}.</b> {escape(words)} '
        f"{escape(measured)}</figcaption></figure>"
    )


def _circle(toy: dict[str, Any]) -> str:
    faces, centres = toy["faces"][-1], toy["centres"][-1]
    inner, outer = _STROKE * _RADIUS, _RADIUS
    parts = [f'<circle class="grid" r="{_RADIUS}" fill="none"/>']
    for label, centre in enumerate(centres):
        own = faces[label * DRAWN : (label + 1) * DRAWN]
        # Angles go counterclockwise from the right, those of SVG clockwise.
        strokes = "".join(
            f'<path class="face" d="M{inner:.0f} 0H{outer:.0f}" transform="rotate({-angle})"/>'
            for angle in own
        )
        parts.append(
            f'<g stroke="{SERIES[label]}" stroke-width="1.6">{strokes}<g class="centre" '
            f'transform="rotate({-centre})"><path d="M0 0H{_CENTRE * _RADIUS:.0f}" stroke-width="2.5"/>'
            f'<g transform="translate({1.15 * _RADIUS:.0f} 0) rotate({centre})">'
            + text(0, 5, str(label + 1), style="label")
            + "</g></g></g>"
        )
    return f'<g transform="translate({_SIDE / 2:.0f} {_SIDE / 2:.0f})">{"".join(parts)}</g>'


def compared(margin: Margin, scale: float) -> str:
    """Return the training without a margin, and the one with the chosen margin, side by side."""
    pairs: Sequence[tuple[Margin, str, str]] = (
        (Margin(), "No margin", "The softmax loss."),
        (margin, "Yours", f"m₁ = {margin.m1:g}, m₂ = {margin.m2:g}, m₃ = {margin.m3:g}, s = {scale:g}."),
    )
    trainings = [
        (drawn(train_toy(one, scale, every=FRAME_STEPS)), title, words) for one, title, words in pairs
    ]
    return _player(trainings) + note(
        "Both begin with the same weights. The margin brings the faces of a person closer to their centre."
    )
