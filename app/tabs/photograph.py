"""The tab of photographs: finds a face, computes its template, and attacks the template (open-set)."""

from html import escape
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from arcinvert import Attacker, InputError, Run
from arcinvert.subjects import template_of
from recognition.detection.alignment import crop_at
from recognition.recogniser import Recogniser

from .. import resources
from ..context import Context, attempt, on_change
from ..html import figure, note, picture, row
from ..jobs import Job
from ..panel import STATE_SECONDS, Attack, AttackPanel
from ..settings import MAX_PIXELS, MAX_UPLOAD
from ..upload import Photograph, Upload, decode, photograph_input

#: A photograph, and the number of the chosen face from 0.
Chosen = tuple[Photograph, int]
#: Longest side at which a photograph is shown, pixels.
SHOWN_SIDE = 480
#: Eileen Collins, NASA, public domain.
EXAMPLE = "eileen-collins.jpg"
#: A name that the handlers of photographs share, so that a late answer does not replace a later photograph.
_IN_TURN = "photographs"


def example() -> Upload:
    """Return the photograph that comes with the page."""
    return Upload(EXAMPLE, resources.data(EXAMPLE))


def show_photograph(photograph: Photograph, chosen: int) -> str:
    """Return the photograph with its faces numbered and the chosen one marked."""
    height, width = photograph.pixels.shape[:2]
    shrink = min(1.0, SHOWN_SIDE / max(height, width))
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    small = np.asarray(Image.fromarray(photograph.pixels).resize(size, Image.Resampling.LANCZOS))
    boxes = []
    for number, face in enumerate(photograph.faces):
        left, top, right, bottom = (corner * shrink for corner in face.box)
        style = "chosen" if number == chosen else "other"
        boxes.append(
            f'<rect class="{style}" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
            f'height="{bottom - top:.1f}"/><text x="{left + 4:.1f}" y="{top + 18:.1f}">{number + 1}</text>'
        )
    alt = f"Your photograph {photograph.name} with {len(photograph.faces)} face(s) marked"
    return (
        f'<figure class="ai-photo" style="max-width:{size[0]}px">{picture(small, alt, lossless=False)}'
        f'<svg viewBox="0 0 {size[0]} {size[1]}" aria-hidden="true">{"".join(boxes)}</svg></figure>'
    )


def show_template(template: NDArray[np.float32]) -> str:
    """Return a template as a strip with one coloured stripe for each number."""
    largest = float(np.abs(template).max())
    stripes = "".join(
        f'<rect x="{index}" width="1.05" height="24" fill="{"#D55E00" if value > 0 else "#0072B2"}" '
        f'fill-opacity="{abs(value) / largest:.2f}"/>'
        for index, value in enumerate(template.tolist())
    )
    first = ", ".join(f"{value:.3f}" for value in template[:4])
    title = f"The template: {len(template)} numbers, {first} and so on"
    return (
        f'<svg class="ai-template" viewBox="0 0 {len(template)} 24" preserveAspectRatio="none" role="img" '
        f'aria-label="{title}"><title>{title}</title>{stripes}</svg>'
    )


def show_choice(photograph: Photograph, chosen: int, recogniser: Recogniser) -> str:
    """Return the photograph, the aligned crop of the chosen face, and its template."""
    face = photograph.faces[chosen]
    template = template_of(recogniser, crop_at(photograph.pixels, face, recogniser.input_size)).numpy()
    words = (
        f"The attack gets only the template: {len(template)} numbers. The photograph stays in the memory of "
        "this server for the comparison at the end; the uploaded file is already deleted."
    )
    remark = note(photograph.note) if photograph.note else ""
    return (
        row(
            [
                show_photograph(photograph, chosen),
                figure(crop_at(photograph.pixels, face), "The aligned face", "crop"),
            ]
        )
        + remark
        + f'{show_template(template)}<p class="ai-leaves">{escape(words)}</p>'
    )


def photograph_attack(attacker: Attacker, chosen: Chosen | None) -> Attack:
    """Return the attack on the template of the chosen face.

    Raises:
        InputError: If there is no photograph yet.
    """
    if chosen is None:
        raise InputError("photograph: expected one, got none; choose a file, or use the example")
    photograph, number = chosen

    def attack(job: Job, **options: Any) -> Run:
        return attacker.from_image(photograph.pixels, face=number + 1, progress=job.progress, **options)

    return attack


def chosen_crop(chosen: Chosen | None) -> NDArray[np.uint8] | None:
    """Return the aligned crop of the chosen face, uint8 112x112; None if there is no photograph yet."""
    if chosen is None:
        return None
    photograph, number = chosen
    return crop_at(photograph.pixels, photograph.faces[number])


def build(context: Context, model: gr.Dropdown) -> gr.State:
    """Lay out the tab, and return the state with the photograph and the chosen face for other tabs."""
    gr.HTML(
        note(
            "A recogniser turns a photograph into a template, a short list of numbers, which many people "
            "think is harmless. Choose a photograph of yourself, or of someone who agrees, and see what the "
            "numbers reveal."
        )
    )
    with gr.Row():
        with gr.Column(min_width=280):
            upload = photograph_input(
                label="Photograph: choose a file, paste one, or take one",
                sources=["upload", "clipboard", "webcam"],
                height=260,
                buttons=[],
                elem_id="photograph",
            )
            gr.HTML(
                note(
                    f"Up to {MAX_UPLOAD // 10**6} MB and {MAX_PIXELS // 10**6} megapixels; JPEG, PNG, WebP "
                    "and others."
                )
            )
            use_example = gr.Button("Use the example: Eileen Collins, NASA, public domain")
        with gr.Column(min_width=280):
            which = gr.Radio([], label="Which face", visible=False, elem_id="which-face")
            shown = gr.HTML()
    state: gr.State = gr.State(time_to_live=STATE_SECONDS)
    _connect(context, model, upload, use_example, which, shown, state)
    AttackPanel(context, model, [state], photograph_attack, chosen_crop)
    return state


def _connect(
    context: Context,
    model: gr.Dropdown,
    upload: gr.Image,
    use_example: gr.Button,
    which: gr.Radio,
    shown: gr.HTML,
    state: gr.State,
) -> None:
    def receive(sent: Upload | None, name: str) -> dict[Any, Any]:
        if sent is None:
            return {upload: None}

        def work() -> tuple[Photograph, str]:
            photograph = decode(sent)
            return photograph, show_choice(photograph, 0, context.attacker(name).recogniser)

        received, message = attempt(work)
        if received is None:
            return {upload: None, shown: message, state: None, which: gr.Radio(visible=False)}
        photograph, html = received
        return {upload: None, shown: html, state: (photograph, 0), which: _face_choices(photograph)}

    def choose(number: int | None, name: str, kept: Chosen | None) -> tuple[Chosen | None, str]:
        if kept is None or number is None:
            return kept, ""
        photograph, _ = kept
        html, message = attempt(lambda: show_choice(photograph, number, context.attacker(name).recogniser))
        return (photograph, number), html or message

    def show_again(name: str, kept: Chosen | None) -> str:
        return choose(kept[1], name, kept)[1] if kept else ""

    outputs = [upload, shown, state, which]
    on_change(upload.input, receive, [upload, model], outputs, in_turn=_IN_TURN)
    on_change(use_example.click, lambda name: receive(example(), name), [model], outputs, in_turn=_IN_TURN)
    on_change(which.input, choose, [which, model, state], [state, shown], in_turn=_IN_TURN)
    on_change(model.change, show_again, [model, state], [shown], in_turn=_IN_TURN)


def _face_choices(photograph: Photograph) -> gr.Radio:
    count = len(photograph.faces)
    choices = [
        (f"Face {number + 1}" + (", the largest" if not number else ""), number) for number in range(count)
    ]
    return gr.Radio(choices=choices, value=0, visible=count > 1)
