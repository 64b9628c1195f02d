"""The controls below a result that give its faces a pose, an expression or an age, without another attack."""

import functools
from typing import Any, get_args

import gradio as gr
import numpy as np

from arcinvert.inversion.appearance import MAX_AGE, MAX_PITCH, MAX_YAW, MIN_AGE, Appearance
from recognition.appearance.expressions import Expression
from recognition.images import to_tensor, to_uint8

from .context import Context, attempt, on_change
from .html import faces_row, figure, note
from .results import Shown
from .settings import number_in
from .wording import PageError

#: The choice that leaves the expression, or the age, alone.
AS_IT_IS = "as it is"
_CHOICES = {AS_IT_IS: None} | {name.replace("-", " "): name for name in get_args(Expression)}
#: The ages that are offered, years.
_AGES = {AS_IT_IS: None} | {f"{age} years": age for age in range(int(MIN_AGE), int(MAX_AGE) + 1, 10)}


class Turning:
    """Sliders for yaw and pitch, choices of expression and age, and the faces that show them.

    Create it where it is to be; it is hidden until there is a result.

    Args:
        context: The server's context.
        name: The tab's name, which identifiers in the document end in.
    """

    def __init__(self, context: Context, name: str) -> None:
        with gr.Column(visible=False, elem_classes="ai-turning") as self._group:
            gr.HTML(
                note(
                    "Turn these faces, or give them another expression or age. No new attack is made: "
                    "pixels move and colours change as they do on photographs, on average. The verdicts "
                    "above are on the faces as they were found."
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
                self._age = gr.Dropdown(list(_AGES), value=AS_IT_IS, label="Age")
            self._faces = gr.HTML()
        # Where the result is kept.
        self._key = gr.State("")
        wishes = [self._yaw, self._pitch, self._expression, self._age]
        for control in wishes:
            on_change(control.input, functools.partial(answer, context), [self._key, *wishes], [self._faces])

    @property
    def outputs(self) -> list[Any]:
        """The outputs of `ready`."""
        controls = [self._yaw, self._pitch, self._expression, self._age]
        return [self._group, self._key, *controls, self._faces]

    def ready(self, key: str) -> list[Any]:
        """Return the values of `outputs` for a finished attack, by its key among the kept results."""
        return [gr.Column(visible=True), key, 0, 0, AS_IT_IS, AS_IT_IS, ""]


def answer(
    context: Context,
    key: str,
    yaw: float | None,
    pitch: float | None,
    expression: str | None,
    age: str | None,
) -> str:
    """Return the faces of a kept result as the controls ask for them, or a message, as HTML."""

    def faces() -> str:
        kept = context.kept.get(key or "")
        if kept is None:
            raise PageError("This result is no longer kept. Reconstruct the face again.")
        return turned_faces(kept.shown, wanted(yaw, pitch, expression, age))

    found, trouble = attempt(faces)
    return found or trouble


def wanted(yaw: float | None, pitch: float | None, expression: str | None, age: str | None) -> Appearance:
    """Return what the controls ask for; zero degrees are nothing.

    Raises:
        InputError: If a number is out of its range.
        PageError: If the expression or the age is none of the list.
    """
    if expression not in _CHOICES:
        raise PageError("Choose an expression from the list.")
    if age not in _AGES:
        raise PageError("Choose an age from the list.")
    across = number_in("Yaw", yaw, -int(MAX_YAW), int(MAX_YAW))
    up = number_in("Pitch", pitch, -int(MAX_PITCH), int(MAX_PITCH))
    return Appearance(across or None, up or None, _CHOICES[expression], _AGES[age])


def turned_faces(shown: Shown, appearance: Appearance) -> str:
    """Return the faces of a finished attack as they are asked for; nothing if nothing is."""
    if not appearance.is_wanted:
        return ""
    images = to_tensor(np.stack(shown.run.images))
    words = ", ".join(
        text
        for text in (
            f"yaw {appearance.yaw:+g}" if appearance.yaw else "",
            f"pitch {appearance.pitch:+g}" if appearance.pitch else "",
            (appearance.expression or "").replace("-", " "),
            f"at {appearance.age:g}" if appearance.age else "",
        )
        if text
    )
    figures = []
    for number, image in enumerate(to_uint8(appearance.given_to(images)), 1):
        caption = f"Reconstruction {number}, {words}"
        figures.append(figure(image, caption, caption, lossless=False))
    return faces_row(figures)
