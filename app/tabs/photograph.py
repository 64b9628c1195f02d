"""From a photograph: find the face, keep its template, invert the template (open-set)."""

from html import escape
from importlib.resources import files
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.context import Context, on_change, told
from app.html import figure, note, picture, row
from app.jobs import Job
from app.panel import Attack, attack_panel
from app.settings import MAX_PIXELS, MAX_UPLOAD
from app.upload import Photograph, Upload, decode, photograph_input
from arcinvert import api
from arcinvert.evaluation.judges import DlibJudge
from arcinvert.subjects import face_subject, template_of
from recognition.detection.alignment import crop_at
from recognition.errors import InputError
from recognition.loading import load

#: Longest side at which a photograph is shown, pixels.
SHOWN_SIDE = 480
#: Eileen Collins, NASA, public domain.
EXAMPLE = "eileen-collins.jpg"


def example() -> Upload:
    """The photograph that comes with the page."""
    return Upload(EXAMPLE, files("app").joinpath(f"data/{EXAMPLE}").read_bytes())


def show_photograph(photograph: Photograph, chosen: int) -> str:
    """The photograph with its faces numbered; the chosen one is marked."""
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
    """A template as a strip of colours, a stripe a number."""
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


def show_choice(photograph: Photograph, chosen: int, model: str) -> str:
    """The chosen face: its crop, and the template, which is all that the attack sees.

    Raises:
        InputError: the network cannot be loaded.
    """
    recogniser = load(model)
    face = photograph.faces[chosen]
    template = template_of(recogniser, crop_at(photograph.pixels, face, recogniser.input_size)).numpy()
    words = (
        f"Only the template leaves this step: {len(template)} numbers. The photograph stays in the memory of "
        "this server, for the comparison at the end; the uploaded file is wiped already."
    )
    told_of = note(photograph.note) if photograph.note else ""
    return (
        row(
            [
                show_photograph(photograph, chosen),
                figure(crop_at(photograph.pixels, face), "The aligned face", "crop"),
            ]
        )
        + told_of
        + f'{show_template(template)}<p class="ai-leaves">{escape(words)}</p>'
    )


def build(context: Context, model: gr.Dropdown) -> gr.State:
    """Lay the tab out; the state holds the photograph and the chosen face, for other tabs."""
    gr.HTML(
        note(
            "A recogniser turns a photograph into a template, a short list of numbers, and such lists are "
            "widely taken for harmless. Choose a photograph of yourself, or of someone who agrees, and see."
        )
    )
    with gr.Row():
        with gr.Column(min_width=280):
            upload = photograph_input(
                label="Photograph: choose a file, paste, or take one",
                sources=["upload", "clipboard", "webcam"],
                height=260,
                buttons=[],
                elem_id="photograph",
            )
            gr.HTML(
                note(
                    f"Up to {MAX_UPLOAD // 10**6} MB and {MAX_PIXELS // 10**6} megapixels: "
                    "JPEG, PNG, WebP and more."
                )
            )
            use_example = gr.Button("Use the example: Eileen Collins, NASA, public domain")
        with gr.Column(min_width=280):
            which = gr.Radio([], label="Which face", visible=False, elem_id="which-face")
            shown = gr.HTML()
    state: gr.State = gr.State(time_to_live=3600)

    def receive(sent: Upload | None, name: str) -> dict[Any, Any]:
        if sent is None:
            return {upload: None}

        def work() -> tuple[Photograph, str]:
            photograph = decode(sent)
            return photograph, show_choice(photograph, 0, context.settings.model(name))

        received, message = told(work)
        if received is None:
            return {upload: None, shown: message, state: None, which: gr.Radio(visible=False)}
        photograph, html = received
        count = len(photograph.faces)
        choices = [
            (f"Face {number + 1}" + (", the largest" if not number else ""), number)
            for number in range(count)
        ]
        return {
            upload: None,
            shown: html,
            state: (photograph, 0),
            which: gr.Radio(choices=choices, value=0, visible=count > 1),
        }

    def choose(chosen: int | None, name: str, kept: tuple[Photograph, int] | None) -> tuple[Any, str]:
        if kept is None or chosen is None:
            return kept, ""
        html, message = told(lambda: show_choice(kept[0], chosen, context.settings.model(name)))
        return (kept[0], chosen), html or message

    def show_again(name: str, kept: tuple[Photograph, int] | None) -> str:
        return choose(kept[1], name, kept)[1] if kept else ""

    outputs = [upload, shown, state, which]
    # A late answer about the last photograph must not hide the next one.
    turn = "photographs"
    on_change(upload.input, receive, [upload, model], outputs, in_turn=turn)
    on_change(use_example.click, lambda name: receive(example(), name), [model], outputs, in_turn=turn)
    on_change(which.input, choose, [which, model, state], [state, shown], in_turn=turn)
    on_change(model.change, show_again, [model, state], [shown], in_turn=turn)

    attack_panel(
        context,
        model,
        [state],
        lambda path, kept: attack_on(context, path, kept),
        lambda kept: None if kept is None else crop_at(kept[0].pixels, kept[0].faces[kept[1]]),
    )
    return state


def attack_on(context: Context, path: str, kept: tuple[Photograph, int] | None) -> Attack:
    """The attack on the chosen face's template.

    Raises:
        InputError: there is no photograph yet.
    """
    if kept is None:
        raise InputError("photograph: expected one, got none; choose a file, or use the example")
    photograph, chosen = kept

    def attack(job: Job, **options: Any) -> api.Run:
        subject = face_subject(
            load(path), photograph.pixels, photograph.faces[chosen], DlibJudge(), name=photograph.name
        )
        return api.from_subject(
            subject,
            command="from-image",
            model=path,
            device=context.settings.device,
            progress=job.progress,
            **options,
        )

    return attack
