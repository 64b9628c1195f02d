"""The controls below a result that give its faces another pose and expression, without another attack."""

import functools
from typing import Any, get_args

import gradio as gr
import numpy as np

from arcinvert.inversion.appearance import MAX_PITCH, MAX_YAW, Appearance
from recognition.appearance.expressions import Expression
from recognition.images import to_tensor, to_uint8

from .context import Context, attempt, on_change
from .html import faces_row, figure, note
from .results import Shown
from .settings import number_in
from .wording import PageError

#: The choice that leaves the expression alone.
AS_IT_IS = "as it is"
_CHOICES = {AS_IT_IS: None} | {name.replace("-", " "): name for name in get_args(Expression)}


class Turning:
    """Sliders for yaw and pitch, a choice of expressions, and the faces that show them.

    Create it where it is to be; it is hidden until there is a result.

    Args:
        context: The server's context.
        name: The tab's name, which identifiers in the document end in.
    """

    def __init__(self, context: Context, name: str) -> None:
        with gr.Column(visible=False, elem_classes="ai-turning") as self._group:
            gr.HTML(
                note(
                    "Turn these faces, or give them another expression. No new attack is made: pixels move "
                    "as they do on photographs, on average. The verdicts above are on the faces as they "
                    "were found."
                )
            )
            with gr.Row():
                self._yaw = gr.Slider(
                    -MAX_YAW,
                    MAX_YAW,
                    0,
                    step=1,
                    label="Yaw",
                    info="Degrees to the right of the picture",
                    elem_id=f"yaw-{name}",
                )
                self._pitch = gr.Slider(-MAX_PITCH, MAX_PITCH, 0, step=1, label="Pitch", info="Degrees up")
                self._expression = gr.Dropdown(list(_CHOICES), value=AS_IT_IS, label="Expression")
            self._faces = gr.HTML()
        # Where the result is kept.
        self._key = gr.State("")
        inputs = [self._key, self._yaw, self._pitch, self._expression]
        for event in (self._yaw.input, self._pitch.input, self._expression.input):
            on_change(event, functools.partial(answer, context), inputs, [self._faces])

    @property
    def outputs(self) -> list[Any]:
        """The outputs of `ready`."""
        return [self._group, self._key, self._yaw, self._pitch, self._expression, self._faces]

    def ready(self, key: str) -> list[Any]:
        """Return the values of `outputs` for a finished attack, by its key among the kept results."""
        return [gr.Column(visible=True), key, 0, 0, AS_IT_IS, ""]


def answer(context: Context, key: str, yaw: float | None, pitch: float | None, expression: str | None) -> str:
    """Return the faces of a kept result as the controls ask for them, or a message, as HTML."""

    def faces() -> str:
        kept = context.kept.get(key or "")
        if kept is None:
            raise PageError("This result is no longer kept. Reconstruct the face again.")
        return turned_faces(kept.shown, wanted(yaw, pitch, expression))

    found, trouble = attempt(faces)
    return found or trouble


def wanted(yaw: float | None, pitch: float | None, expression: str | None) -> Appearance:
    """Return what the controls ask for; zero degrees are nothing.

    Raises:
        InputError: If a number is out of its range.
        PageError: If the expression is none of the list.
    """
    if expression not in _CHOICES:
        raise PageError("Choose an expression from the list.")
    across = number_in("Yaw", yaw, -int(MAX_YAW), int(MAX_YAW))
    up = number_in("Pitch", pitch, -int(MAX_PITCH), int(MAX_PITCH))
    return Appearance(across or None, up or None, _CHOICES[expression])


def turned_faces(shown: Shown, appearance: Appearance) -> str:
    """Return the faces of a finished attack with a pose and an expression; nothing if none is asked for."""
    if not appearance.is_wanted:
        return ""
    images = to_tensor(np.stack(shown.run.images))
    words = ", ".join(
        text
        for text in (
            f"yaw {appearance.yaw:+g}" if appearance.yaw else "",
            f"pitch {appearance.pitch:+g}" if appearance.pitch else "",
            (appearance.expression or "").replace("-", " "),
        )
        if text
    )
    figures = []
    for number, image in enumerate(to_uint8(appearance.given_to(images)), 1):
        caption = f"Reconstruction {number}, {words}"
        figures.append(figure(image, caption, caption, lossless=False))
    return faces_row(figures)
