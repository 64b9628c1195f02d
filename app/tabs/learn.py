"""The Learn tab: what a margin does, shown while it is moved."""

import math
from typing import Any

import gradio as gr
import numpy as np

from ..context import Context, attempt, on_change
from ..html import note
from ..learn import (
    IDENTITIES,
    MARGINS,
    Margin,
    Toy,
    boundary,
    probabilities,
    target_logits,
    train_toy,
)
from ..svg import SERIES, Axis, Line, frame, line_chart, text

#: The values at first.
_PRESET = "ArcFace, m2 = 0.5"
_MARGIN, _SCALE, _BETWEEN = MARGINS[_PRESET], 16, 90
_ANGLES = np.linspace(0, 180, 361)


def curves(margin: Margin, scale: float) -> str:
    """Return a plot of the target's logit against its angle, for the chosen margin and those of papers."""
    lines = [Line("yours", _ANGLES, target_logits(margin, _ANGLES, scale), broad=True)]
    lines += [Line(name, _ANGLES, target_logits(one, _ANGLES, scale)) for name, one in MARGINS.items()]
    ticks = tuple(scale * factor for factor in (-2, -1, 0, 1))
    return line_chart(
        lines,
        Axis("angle to the own centre, degrees", 0, 180, (0, 30, 60, 90, 120, 150, 180)),
        Axis("target logit", -2 * scale, scale, ticks),
        f"Target logit against angle, at scale {scale:g}: a margin lowers the curve, so that the same logit "
        "needs a smaller angle",
    )


def decision(margin: Margin, scale: float, between: float) -> str:
    """Return a picture of two centres with their decision boundaries, and a plot of the probability."""
    edge = boundary(margin, between)
    circle = _two_classes(edge, between)
    way = np.linspace(0, between, 181)
    chart = line_chart(
        [
            Line("yours", way, probabilities(margin, way, between, scale), broad=True),
            Line("no margin", way, probabilities(Margin(), way, between, scale)),
        ],
        Axis("angle to the own centre, degrees", 0, between, tuple(np.linspace(0, between, 7).round(1))),
        Axis("probability in training", 0, 1, (0, 0.25, 0.5, 0.75, 1)),
        f"Probability of the own class on the way to the other centre, at scale {scale:g}",
    )
    words = (
        f"With centres {between:g} degrees apart, training accepts a face of class 1 up to {edge:.1f} degrees"
        f" from its centre (without a margin up to {between / 2:g}). The "
        f"{max(between - 2 * edge, 0):.1f} degrees in the middle belong to no class: they are the decision "
        "margin. The scale sets how sharp the change is."
    )
    return f'<div class="ai-two"><div>{circle}</div><div>{chart}</div></div>' + note(words)


def _two_classes(edge: float, between: float) -> str:
    """Return a picture of the sector of each class in training, and of the gap between them."""
    size, radius = 330, 118
    middle, low = size / 2, size / 2 + 20

    def at(degrees: float, length: float = radius) -> tuple[float, float]:
        # Symmetric about the vertical: the gap is at the top.
        angle = math.radians(90 + between / 2 - degrees)
        return middle + length * math.cos(angle), low - length * math.sin(angle)

    def sector(start: float, end: float, colour: str) -> str:
        (x1, y1), (x2, y2) = at(start), at(end)
        return (
            f'<path d="M{middle},{low} L{x1:.1f},{y1:.1f} A{radius},{radius} 0 0 1 {x2:.1f},{y2:.1f} Z" '
            f'fill="{colour}" fill-opacity="0.3"/>'
        )

    parts = [
        f'<circle class="axis" cx="{middle}" cy="{low}" r="{radius}" fill="none"/>',
        sector(0, edge, SERIES[0]),
        sector(between - edge, between, SERIES[1]),
    ]
    for number, degrees in enumerate((0, between)):
        x, y = at(degrees)
        word_x, word_y = at(degrees, radius + 22)
        parts.append(
            f'<line x1="{middle}" y1="{low}" x2="{x:.1f}" y2="{y:.1f}" stroke="{SERIES[number]}" '
            f'stroke-width="3"/><circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{SERIES[number]}"/>'
        )
        word_x = min(max(word_x, 34), size - 34)
        parts.append(text(word_x, word_y, f"centre {number + 1}", style="label"))
    for degrees in (edge, between - edge):
        x, y = at(degrees, radius + 8)
        parts.append(
            f'<line class="axis" x1="{middle}" y1="{low}" x2="{x:.1f}" y2="{y:.1f}" stroke-dasharray="6 3"/>'
        )
    title = (
        f"Two class centres {between:g} degrees apart; each class has {edge:.1f} degrees on its side, "
        f"{max(between - 2 * edge, 0):.1f} degrees in between belong to neither"
    )
    return frame(size, size, title, "".join(parts))


def toy_picture(toy: Toy, name: str) -> str:
    """Return a picture of the toy's embeddings on the circle, one stroke each, and of the class centres."""
    size, radius = 330, 130
    middle = size / 2
    parts = [f'<circle class="grid" cx="{middle}" cy="{middle}" r="{radius}" fill="none"/>']
    for (x, y), label in zip(toy.embeddings, toy.labels, strict=True):
        parts.append(
            f'<line x1="{middle + 0.8 * radius * x:.1f}" y1="{middle - 0.8 * radius * y:.1f}" '
            f'x2="{middle + radius * x:.1f}" y2="{middle - radius * y:.1f}" stroke="{SERIES[label]}" '
            'stroke-width="1.4" stroke-opacity="0.7"/>'
        )
    for label, (x, y) in enumerate(toy.centres):
        parts.append(
            f'<line x1="{middle}" y1="{middle}" x2="{middle + 0.76 * radius * x:.1f}" '
            f'y2="{middle - 0.76 * radius * y:.1f}" stroke="{SERIES[label]}" stroke-width="2.5"/>'
            + text(middle + 1.1 * radius * x, middle - 1.1 * radius * y + 4, str(label + 1), style="label")
        )
    words = (
        f"{name}: on average {toy.within:.1f} degrees from a face to its centre and {toy.between:.1f} "
        f"between neighbouring centres; {toy.correct:.0%} of the faces are nearest to their own centre"
    )
    plot = frame(size, size, words, "".join(parts))
    return f'<figure class="ai-toy">{plot}<figcaption>{words}</figcaption></figure>'


def toys(margin: Margin, scale: float) -> str:
    """Return pictures of the toy trained without a margin, and with the chosen one."""
    return (
        '<div class="ai-two">'
        + toy_picture(train_toy(Margin(), scale), "No margin")
        + toy_picture(train_toy(margin, scale), "Yours")
        + "</div>"
        + note(
            f"A small network learns {IDENTITIES} synthetic identities in two dimensions, with the same "
            "initial weights on both sides. Each stroke is the embedding of a face, each number a class "
            "centre. The margin brings the faces of an identity closer to its centre."
        )
    )


def build(context: Context) -> None:
    """Lay out the tab."""
    gr.HTML(
        note(
            "ArcFace trains a network so that the faces of one person point in one direction. The margin "
            "makes this harder: the cosine of the target becomes cos(m1 theta + m2) - m3, where theta is the "
            "angle to the class centre, and the scale s multiplies all cosines. Move the sliders to see what "
            "each does. The closer together the faces of a person lie, the more their direction reveals."
        )
    )
    with gr.Row():
        preset = gr.Radio(list(MARGINS), value=_PRESET, label="Margin of a paper")
    with gr.Row():
        m1 = gr.Slider(0.5, 4, _MARGIN.m1, step=0.05, label="m1", info="Multiplies the angle (SphereFace)")
        m2 = gr.Slider(0, 1.5, _MARGIN.m2, step=0.05, label="m2", info="Radians added to the angle (ArcFace)")
        m3 = gr.Slider(0, 1, _MARGIN.m3, step=0.05, label="m3", info="Subtracted from the cosine (CosFace)")
        scale = gr.Slider(1, 64, _SCALE, step=1, label="s", info="Multiplies all cosines")
    gr.Markdown("### The target logit")
    curve = gr.HTML(curves(_MARGIN, _SCALE), elem_id="curves")
    gr.Markdown("### The decision boundary of two classes")
    between = gr.Slider(20, 180, _BETWEEN, step=5, label="Angle between the two centres, degrees")
    line = gr.HTML(decision(_MARGIN, _SCALE, _BETWEEN), elem_id="decision")
    gr.Markdown("### Eight identities in two dimensions")
    train = gr.Button("Train a small network with this margin", variant="primary")
    toy = gr.HTML(elem_id="toy")

    def draw(m1: float, m2: float, m3: float, scale: float, between: float) -> tuple[str, str]:
        drawn, message = attempt(
            lambda: (curves(Margin(m1, m2, m3), scale), decision(Margin(m1, m2, m3), scale, between))
        )
        return drawn or (message, "")

    def take(name: str) -> tuple[Any, ...]:
        margin = MARGINS[name]
        return margin.m1, margin.m2, margin.m3

    def learn(m1: float, m2: float, m3: float, scale: float) -> str:
        drawn, message = attempt(lambda: toys(Margin(m1, m2, m3), scale))
        return drawn or message

    for slider in (m1, m2, m3, scale, between):
        on_change(slider.change, draw, [m1, m2, m3, scale, between], [curve, line])
    on_change(preset.input, take, [preset], [m1, m2, m3])
    train.click(
        learn,
        [m1, m2, m3, scale],
        [toy],
        concurrency_id="toys",
        concurrency_limit=1,
        trigger_mode="once",
        api_visibility="private",
    )
