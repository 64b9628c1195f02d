"""The tab of photographs: finds a face, computes its template, and attacks the template (open-set)."""

from html import escape
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from arcinvert import Attacker, BlackBoxAttacker, Run
from arcinvert.subjects import template_of
from recognition.data.faces import at_size
from recognition.detection.alignment import crop_at
from recognition.recogniser import Recogniser

from .. import resources
from ..context import Context, attempt, on_change
from ..html import figure, note, picture
from ..job import Job
from ..kept import Kept
from ..opening import Opening, placeholder
from ..panel import Attack, AttackPanel, Kind
from ..settings import MAX_PIXELS, MAX_UPLOAD, STATE_SECONDS
from ..strip import template_strip
from ..target import Target
from ..upload import Photograph, Upload, decode, photograph_input
from ..wording import PageError

#: A photograph, and the number of the chosen face from 0.
Chosen = tuple[Photograph, int]
#: Longest side at which a photograph is shown, pixels.
SHOWN_SIDE = 480
#: Eileen Collins, NASA, public domain.
EXAMPLE = "eileen-collins.jpg"
#: A name that the handlers of photographs share, so that a late answer does not replace a later photograph.
IN_TURN = "photographs"
LIMITS = (
    f"Up to {MAX_UPLOAD // 10**6} MB and {MAX_PIXELS // 10**6} megapixels; "
    "JPEG, PNG, WebP, HEIC, AVIF and others."
)


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


def show_template(photograph: Photograph, chosen: int, recogniser: Recogniser) -> str:
    """Return the aligned crop of the chosen face, the template of it, and what the attack gets."""
    crop = crop_at(photograph.pixels, photograph.faces[chosen])
    template = template_of(recogniser, at_size(crop, recogniser.input_size)).tolist()
    words = (
        f"What the recogniser keeps of the face is its template: {len(template)} numbers, each drawn as a "
        "stripe. The attack gets that or less. The photograph stays in the memory of this server for the "
        "comparison at the end; the uploaded file is already deleted."
    )
    return (
        f'<div class="ai-source">{figure(crop, "The aligned face", "The face")}'
        f'<div>{template_strip(template)}<p class="ai-leaves">{escape(words)}</p></div></div>'
    )


def required(chosen: Chosen | None) -> Chosen:
    """Return the photograph with the chosen face.

    Raises:
        PageError: If there is none yet.
    """
    if chosen is None:
        raise PageError("There is no photograph yet. Choose a file, or use the example.")
    return chosen


def photograph_target(network: str, attacker: Attacker, chosen: Chosen | None) -> Target:
    """Return which face of which photograph an attack is on.

    Args:
        network: The network's name on the page.
        attacker: The network.
        chosen: The photograph with the chosen face.

    Raises:
        PageError: If there is none yet.
    """
    photograph, number = required(chosen)
    count = len(photograph.faces)
    detail = f"face {number + 1} of {count}" if count > 1 else ""
    return Target(network, f"{photograph.digest} {number}", f"The face in {photograph.name}", detail)


def photograph_attack(attacker: Attacker | BlackBoxAttacker, chosen: Chosen | None) -> Attack:
    """Return the attack on the template of the chosen face.

    Raises:
        PageError: If there is no photograph yet.
    """
    photograph, number = required(chosen)
    crop = crop_at(photograph.pixels, photograph.faces[number])

    def attack(job: Job, **options: Any) -> Run:
        # The face that the visitor saw; a search of its own might number the faces differently.
        return attacker.from_crops(crop, progress=job.progress, **options)

    return attack


def chosen_crop(chosen: Chosen | None) -> NDArray[np.uint8] | None:
    """Return the aligned crop of the chosen face, uint8 112x112; None if there is no photograph yet."""
    if chosen is None:
        return None
    photograph, number = chosen
    return crop_at(photograph.pixels, photograph.faces[number])


PHOTOGRAPH = Kind(
    required,
    photograph_target,
    photograph_attack,
    "This attack was ended, because another photograph or face was chosen.",
    chosen_crop,
)


class PhotographTab:
    """Lays out the tab, and connects it.

    Args:
        context: The server's context.
        model: The control with the network's name.
        opening: What the page opens with.
    """

    name = "photograph"

    def __init__(self, context: Context, model: gr.Dropdown, opening: Opening) -> None:
        self._context = context
        gr.HTML(
            note(
                "A recogniser turns a photograph into a template, a short list of numbers, which many people "
                "think is harmless. Choose a photograph of yourself, or of someone who agrees, and see what "
                "the numbers reveal."
            )
        )
        with gr.Row(elem_classes="ai-columns"):
            with gr.Column(elem_classes="ai-controls"):
                self._upload = photograph_input(
                    label="Photograph",
                    sources=["upload", "clipboard", "webcam"],
                    height=200,
                    buttons=[],
                    elem_id="photograph",
                )
                use_example = gr.Button("Use the example: Eileen Collins, NASA, public domain")
                self._shown = gr.HTML(note(LIMITS))
                self._which = gr.Radio([], label="Which face", visible=False, elem_id="which-face")
                self.panel = AttackPanel(
                    context, self.name, "Reconstruct the face", PHOTOGRAPH, black_boxes=True
                )
            with gr.Column(elem_classes="ai-results"):
                self._template = gr.HTML()
                self.panel.place_results(placeholder(opening))
        self.state: gr.State = gr.State(time_to_live=STATE_SECONDS)
        self.panel.connect(model, [self.state])
        self._connect(model, use_example)

    @property
    def outputs(self) -> list[Any]:
        """The outputs of `receive`."""
        return [self._upload, self._shown, self._template, self.state, self._which]

    def _connect(self, model: gr.Dropdown, use_example: gr.Button) -> None:
        def choose(number: int | None, name: str, kept: Chosen | None) -> tuple[Chosen | None, str, str]:
            if kept is None or number is None:
                return kept, note(LIMITS), ""
            photograph, _ = kept
            return (
                (photograph, number),
                show_photograph(photograph, number),
                self._show(photograph, number, name),
            )

        def show_again(name: str, kept: Chosen | None) -> str:
            return self._show(*kept, name) if kept else ""

        uploaded = on_change(
            self._upload.input, self.receive, [self._upload, model], self.outputs, in_turn=IN_TURN
        )
        exemplified = on_change(
            use_example.click,
            lambda name: self.receive(example(), name),
            [model],
            self.outputs,
            in_turn=IN_TURN,
        )
        chosen = on_change(
            self._which.input,
            choose,
            [self._which, model, self.state],
            [self.state, self._shown, self._template],
            in_turn=IN_TURN,
        )
        on_change(model.change, show_again, [model, self.state], [self._template], in_turn=IN_TURN)
        self.panel.follow(uploaded.then, exemplified.then, chosen.then, model.input, changes=(model.change,))

    def receive(self, sent: Upload | None, name: str) -> dict[Any, Any]:
        """Return the updates for a photograph that was sent, on this tab or on another.

        Args:
            sent: The upload; None if the control was cleared.
            name: The network's name.
        """
        if sent is None:
            return {self._upload: None}
        received, message = attempt(lambda: decode(sent))
        if received is None:
            return {
                self._upload: None,
                self._shown: message,
                self._template: "",
                self.state: None,
                self._which: gr.Radio(visible=False),
            }
        return {
            self._upload: None,
            self._shown: show_photograph(received, 0) + (note(received.note) if received.note else ""),
            self._template: self._show(received, 0, name),
            self.state: (received, 0),
            self._which: _face_choices(received),
        }

    @property
    def restored_outputs(self) -> list[Any]:
        """The outputs of `restored`."""
        return [self._shown, self._template, self.state, self._which, *self.panel.result_outputs]

    def restored(self, kept: Kept, key: str, network: str) -> dict[Any, Any]:
        """Return the updates that show a kept result again, with its photograph."""
        (chosen,) = kept.shown.given
        photograph, number = chosen
        return {
            self._shown: show_photograph(photograph, number),
            self._template: self._show(photograph, number, network),
            self.state: chosen,
            self._which: _face_choices(photograph, number),
        } | self.panel.restored(kept, key)

    def _show(self, photograph: Photograph, number: int, name: str) -> str:
        html, message = attempt(
            lambda: show_template(photograph, number, self._context.attacker(name).recogniser)
        )
        return html or message


def _face_choices(photograph: Photograph, chosen: int = 0) -> gr.Radio:
    count = len(photograph.faces)
    choices = [
        (f"Face {number + 1}" + (", the largest" if not number else ""), number) for number in range(count)
    ]
    return gr.Radio(choices=choices, value=chosen, visible=count > 1)
