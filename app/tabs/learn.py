"""The Learn tab: what a margin does, shown while it is moved."""

import math
from html import escape
from typing import Any

import gradio as gr
import numpy as np

from arcinvert import InputError

from ..context import Context, attempt, on_change
from ..html import note
from ..learn import MARGINS, Margin, boundary, probabilities, target_logits
from ..svg import SERIES, Axis, Line, frame, line_chart, text
from ..toy import SCALE, shipped_toys
from ..toys_view import compared, toys_view
from ..wording import PageError

#: The values at first.
_PRESET = "ArcFace, m₂ = 0.5"
_MARGIN, _BETWEEN = MARGINS[_PRESET], 90
_ANGLES = np.linspace(0, 180, 361)
#: What the curves show.
_LOGIT = (
    "A logit is the score that a network gives a class. Here it is s times the cosine of the angle θ between "
    "the face and the class's centre. The softmax function turns the scores of all classes into "
    "probabilities. The target is the class of the person whom the photograph shows.",
    "In training, a margin lowers the target's logit and no other. To get as high a score as without it, a "
    "face must come closer to its centre: read the curves from left to right at one height.",
    f"ArcFace's curve jumps at {180 - math.degrees(MARGINS[_PRESET].m2):.0f} degrees, where θ + m₂ is half a "
    "turn. Beyond it, the cosine would rise again and reward a face for being further away, so the authors' "
    "code goes on with s(cos θ - m₂ sin m₂), which keeps falling. Only faces on the wrong side of the circle "
    "are there.",
)


def curves(margin: Margin, scale: float) -> str:
    """Return a plot of the target's logit against its angle, with what a logit is.

    It has a curve for the chosen margin, and one for each margin of a paper.
    """
    lines = [Line("yours", _ANGLES, target_logits(margin, _ANGLES, scale), broad=True)]
    lines += [Line(name, _ANGLES, target_logits(one, _ANGLES, scale)) for name, one in MARGINS.items()]
    # The axis reaches the lowest curve, since a curve that is cut off would look flat there.
    lowest = math.floor(min(float(line.y.min()) for line in lines) / scale + 1e-6)
    ticks = tuple(scale * factor for factor in range(1, lowest - 1, -1 if lowest > -4 else -2))
    chart = line_chart(
        lines,
        Axis("angle θ to the own centre, degrees", 0, 180, (0, 30, 60, 90, 120, 150, 180)),
        Axis("target logit", lowest * scale, scale, ticks),
        f"Target logit against angle, at scale {scale:g}: a margin lowers the curve, so that the same logit "
        "needs a smaller angle",
    )
    words = "".join(f"<p>{escape(one)}</p>" for one in _LOGIT)
    return f'<div class="ai-two"><div>{chart}</div><div class="ai-words">{words}</div></div>'


def decision(margin: Margin, scale: float, between: float) -> str:
    """Return a picture of two centres with their decision boundaries, and a plot of the probability."""
    if not (20 <= between <= 180 and 1 <= scale <= 64):
        raise InputError("Sliders: expected a scale from 1 to 64 and an angle from 20 to 180 degrees")
    edge = boundary(margin, between)
    circle = _two_classes(edge, between)
    way = np.linspace(0, between, 181)
    chart = line_chart(
        [
            Line("yours", way, probabilities(margin, way, between, scale), broad=True),
            Line("no margin", way, probabilities(Margin(), way, between, scale)),
        ],
        Axis("angle θ to the own centre, degrees", 0, between, tuple(np.linspace(0, between, 7).round(1))),
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


def _layout() -> tuple[dict[str, gr.Slider], gr.Radio]:
    """Lay out the controls of the margin, and return them."""
    preset = gr.Radio(list(MARGINS), value=_PRESET, label="Margin of a paper")
    with gr.Row():
        sliders = {
            "m1": gr.Slider(
                0.5,
                4,
                _MARGIN.m1,
                step=0.05,
                label="m₁",
                info="Multiplies θ (SphereFace). Watch the curve: it falls faster.",
            ),
            "m2": gr.Slider(
                0,
                1.5,
                _MARGIN.m2,
                step=0.05,
                label="m₂",
                info="Added to θ, in radians (ArcFace). Watch the gap between the classes: it is m₂ wide.",
            ),
            "m3": gr.Slider(
                0,
                1,
                _MARGIN.m3,
                step=0.05,
                label="m₃",
                info="Subtracted from cos θ (CosFace). Watch the curve: it is equally lower at every angle.",
            ),
            "scale": gr.Slider(
                1,
                64,
                SCALE,
                step=1,
                label="s",
                info="Multiplies all cosines. Watch the probability: its fall gets sharper.",
            ),
        }
    return sliders, preset


def build(context: Context) -> gr.Button:
    """Lay out the tab, and return the button that leads to an attack."""
    gr.HTML(
        '<h2 class="ai-title">Five losses, one network</h2>'
        + note(
            "A network learns to tell eight people apart. It turns each face into a direction, here in two "
            "dimensions. A loss that packs the faces of a person more tightly makes the direction of the "
            "person more precise, which is good for recognition, and reveals more to an attack. Press Play "
            "to see the training."
        )
    )
    gr.HTML(toys_view(shipped_toys()), elem_id="toys")
    gr.HTML(
        '<h2 class="ai-title">What a margin does</h2>'
        + note(
            "ArcFace trains a network so that the faces of one person point in one direction. The margin "
            "makes this harder: the cosine of the target becomes cos(m₁θ + m₂) - m₃, where θ is the angle "
            "to the class centre, and the scale s multiplies all cosines. Move the sliders to see what each "
            "does."
        )
    )
    sliders, preset = _layout()
    gr.HTML('<h3 class="ai-title">The target logit</h3>')
    curve = gr.HTML(curves(_MARGIN, SCALE), elem_id="curves")
    gr.HTML('<h3 class="ai-title">The decision boundary of two classes</h3>')
    between = gr.Slider(
        20,
        180,
        _BETWEEN,
        step=5,
        label="Angle between the two centres, degrees",
        info="Watch the gap as the centres come closer: m₂ keeps it as wide, m₃ makes it wider.",
    )
    line = gr.HTML(decision(_MARGIN, SCALE, _BETWEEN), elem_id="decision")
    gr.HTML('<h3 class="ai-title">The same small network, with your margin</h3>')
    train = gr.Button("Train it with this margin", variant="primary")
    trained = gr.HTML(js_on_load="element.setAttribute('aria-live', 'polite')", elem_id="toy")
    gr.HTML(
        '<h2 class="ai-title">And what does such a network give away?</h2>'
        + note(
            "Each person whom it was trained on is one direction, and a direction can be turned into a face."
        )
    )
    attack = gr.Button("Now attack it", variant="primary", elem_id="attack-it")
    margin = [sliders[name] for name in ("m1", "m2", "m3")]
    everything = [*margin, sliders["scale"], between]

    def draw(*values: float | None) -> tuple[str, str]:
        def work() -> tuple[str, str]:
            m1, m2, m3, scale, angle = map(_given, everything, values)
            return curves(Margin(m1, m2, m3), scale), decision(Margin(m1, m2, m3), scale, angle)

        drawn, message = attempt(work)
        return drawn or (message, "")

    def take(name: str) -> tuple[Any, ...]:
        chosen = MARGINS[name]
        return chosen.m1, chosen.m2, chosen.m3

    def learn(*values: float | None) -> str:
        def work() -> str:
            m1, m2, m3, scale = map(_given, everything, values)
            return compared(Margin(m1, m2, m3), scale)

        drawn, message = attempt(work)
        return drawn or message

    for slider in everything:
        on_change(slider.change, draw, everything, [curve, line])
    on_change(preset.input, take, [preset], margin)
    train.click(
        learn,
        [*margin, sliders["scale"]],
        [trained],
        concurrency_id="toys",
        concurrency_limit=1,
        trigger_mode="once",
        api_visibility="private",
    )
    return attack


def _given(slider: gr.Slider, value: float | None) -> float:
    """Return a slider's value.

    Raises:
        PageError: If its field is empty, or the number is out of its range.
    """
    if value is None or not slider.minimum <= value <= slider.maximum:
        raise PageError(f"{slider.label}: choose a number from {slider.minimum:g} to {slider.maximum:g}.")
    return value
