"""From an identity: a class of the network, by name or number (closed-set)."""

import secrets
from typing import Any

import gradio as gr

from app.context import Context, on_change, told
from app.html import note
from app.jobs import Job
from app.panel import Attack, attack_panel
from arcinvert import api
from arcinvert.subjects import class_centres
from recognition.errors import InputError
from recognition.loading import load

#: Classes that the list offers; further ones are found by typing their number.
LISTED = 10_000
#: The class that the page begins with: the README's example.
FIRST = 123


def class_choices(model: str) -> list[str]:
    """The network's classes as the list shows them: number and name.

    Raises:
        InputError: the network cannot be loaded, or has no class centres.
    """
    recogniser = load(model)
    names = recogniser.class_names or ()
    count = len(class_centres(recogniser))
    return [
        f"{label}: {names[label].replace('_', ' ')}" if names else str(label)
        for label in range(min(count, LISTED))
    ]


def wanted_class(text: str | None) -> int | str:
    """The class that somebody chose or typed: `123: Some Name`, a number, or a name.

    Raises:
        InputError: nothing was given.
    """
    text = (text or "").strip()
    if not text:
        raise InputError("identity: expected a name or a number, got nothing; choose one from the list")
    number, _, rest = text.partition(":")
    if number.strip().isdecimal() and (rest or number == text):
        return int(number)
    return text.replace(" ", "_")


def identity_attack(context: Context, path: str, chosen: str | None) -> Attack:
    """The attack on a class of the network in a file.

    Raises:
        InputError: nothing was chosen.
    """
    label = wanted_class(chosen)

    def attack(job: Job, **options: Any) -> api.Run:
        progress, device = job.progress, context.settings.device
        if isinstance(label, int):
            return api.generate(label, model=path, device=device, progress=progress, **options)
        return api.generate(class_name=label, model=path, device=device, progress=progress, **options)

    return attack


def build(context: Context, model: gr.Dropdown) -> gr.Dropdown:
    """Lay the tab out; the chosen identity's control, for other tabs."""
    gr.HTML(
        note(
            "A network that was trained to recognise people keeps one direction for each of them. From that "
            "direction alone, without any photograph, a face is made that the network takes for the person."
        )
    )
    choices = class_choices(context.settings.model(context.settings.model_names()[0]))
    with gr.Row(equal_height=True):
        wanted = gr.Dropdown(
            choices,
            value=choices[FIRST],
            label="Identity",
            info="Type a part of a name, or a number",
            allow_custom_value=True,
            elem_id="identity",
            scale=4,
        )
        surprise = gr.Button("Pick one at random", scale=1, min_width=160)
    message = gr.HTML()

    attack_panel(context, model, [wanted], lambda path, chosen: identity_attack(context, path, chosen))

    def list_classes(name: str) -> tuple[Any, str]:
        listed, told_of = told(lambda: class_choices(context.settings.model(name)))
        if listed is None:
            return gr.Dropdown(choices=[], value=None), told_of
        return gr.Dropdown(choices=listed, value=listed[min(FIRST, len(listed) - 1)]), ""

    def pick(name: str) -> tuple[Any, str]:
        listed, told_of = told(lambda: class_choices(context.settings.model(name)))
        return (gr.Dropdown(value=secrets.choice(listed)) if listed else gr.Dropdown()), told_of

    on_change(model.change, list_classes, [model], [wanted, message])
    on_change(surprise.click, pick, [model], [wanted, message])
    return wanted
