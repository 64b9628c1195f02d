"""The tab of identities: attacks a class of the network, by its name or number (closed-set)."""

import secrets
from collections.abc import Sequence
from typing import Any

import gradio as gr

from arcinvert import Attacker, InputError, Run
from arcinvert.subjects import class_centres
from recognition.recogniser import Recogniser

from ..context import Context, attempt, on_change
from ..html import note
from ..jobs import Job
from ..panel import Attack, AttackPanel

#: Classes that the list offers; others can be typed by number or name.
LISTED = 10_000
#: The class that is chosen at first, if the network has so many.
FIRST = 123


def class_choices(recogniser: Recogniser) -> list[str]:
    """Return the network's classes as the list shows them, such as `123: Some Name`.

    Raises:
        InputError: If the network has no class centres.
    """
    names = recogniser.class_names or ()
    count = len(class_centres(recogniser))
    return [
        f"{label}: {names[label].replace('_', ' ')}" if names else str(label)
        for label in range(min(count, LISTED))
    ]


def wanted_class(text: str | None, names: Sequence[str]) -> int | str:
    """Return the class that was chosen or typed: its number, or a text that is none of the names.

    Args:
        text: `123: Some Name`, a number, or a name, with spaces or underscores, in any case.
        names: The names of the classes; empty if they have none.

    Raises:
        InputError: If nothing was given.
    """
    text = (text or "").strip()
    if not text:
        raise InputError("identity: expected a name or a number, got nothing; choose one from the list")
    number, _, rest = text.partition(":")
    if number.strip().isdecimal() and (rest or number == text):
        return int(number)
    labels = {_plain(name): label for label, name in enumerate(names)}
    return labels.get(_plain(text), text)


def _plain(name: str) -> str:
    return name.replace("_", " ").casefold()


def identity_attack(attacker: Attacker, chosen: str | None) -> Attack:
    """Return the attack on a class of a network.

    Raises:
        InputError: If nothing was chosen.
    """
    wanted = wanted_class(chosen, attacker.recogniser.class_names or ())

    def attack(job: Job, **options: Any) -> Run:
        if isinstance(wanted, int):
            return attacker.generate(wanted, progress=job.progress, **options)
        return attacker.generate(class_name=wanted, progress=job.progress, **options)

    return attack


def build(context: Context, model: gr.Dropdown) -> gr.Dropdown:
    """Lay out the tab, and return the control with the chosen identity for other tabs."""
    gr.HTML(
        note(
            "A network that was trained to recognise people keeps one direction for each of them, the class "
            "centre. This tab makes a face from that direction alone, without any photograph of the person."
        )
    )
    choices = class_choices(context.attacker(context.settings.model_names()[0]).recogniser)
    with gr.Row(equal_height=True):
        wanted = gr.Dropdown(
            choices,
            value=choices[FIRST],
            label="Identity",
            info="Type part of a name, or a number",
            allow_custom_value=True,
            elem_id="identity",
            scale=4,
        )
        pick = gr.Button("Pick one at random", scale=1, min_width=160)
    message = gr.HTML()
    AttackPanel(context, model, [wanted], identity_attack)

    def listed(name: str) -> tuple[list[str], str]:
        found, trouble = attempt(lambda: class_choices(context.attacker(name).recogniser))
        return found or [], trouble

    def list_classes(name: str) -> tuple[Any, str]:
        found, trouble = listed(name)
        value = found[min(FIRST, len(found) - 1)] if found else None
        return gr.Dropdown(choices=found, value=value), trouble

    def pick_class(name: str) -> tuple[Any, str]:
        found, trouble = listed(name)
        return (gr.Dropdown(value=secrets.choice(found)) if found else gr.Dropdown()), trouble

    on_change(model.change, list_classes, [model], [wanted, message])
    on_change(pick.click, pick_class, [model], [wanted, message])
    return wanted
