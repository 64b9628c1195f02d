"""The tab of identities: attacks a class of the network, by its name or number (closed-set)."""

import secrets
from collections.abc import Sequence
from typing import Any

import gradio as gr

from arcinvert import Attacker, Run
from arcinvert.output.verdicts import display_name, seen_in
from arcinvert.subjects import class_centres, class_label, plain_name, training_photographs
from recognition.recogniser import Recogniser

from ..context import Context, attempt, on_change
from ..html import note, problem
from ..job import Job
from ..kept import Kept
from ..opening import Opening, placeholder
from ..panel import Attack, AttackPanel, Kind
from ..target import Target
from ..wording import PageError

#: Classes that the list offers; others can be typed by number or name.
LISTED = 10_000
#: Most characters of a name that is typed; a longer one would be compared with all names for minutes.
LONGEST = 200


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


def wanted_class(text: str | None) -> int | str:
    """Return the class that was chosen or typed: its number, or else the text, which may be a name.

    Args:
        text: `123: Some Name`, a number (a negative one is nobody's), or a name.

    Raises:
        PageError: If nothing was given, or more than a name has.
    """
    text = _typed(text)
    if not text:
        raise PageError("Choose a person from the list, or type a name or a number.")
    if len(text) > LONGEST:
        raise PageError(f"Type a name of at most {LONGEST} characters.")
    number, _, rest = text.partition(":")
    if number.strip().isdecimal() and (rest or number == text):
        return int(number)
    return int(text) if text.startswith("-") and text[1:].isdecimal() else text


def _typed(value: Any) -> str:
    """Return what was typed without spaces around it; anything else in a request is nothing."""
    return value.strip() if isinstance(value, str) else ""


def _name_of(chosen: Any) -> str:
    """Return the name in a choice such as `123: Some Name`."""
    text = _typed(chosen)[:LONGEST]
    number, _, name = text.partition(": ")
    return name if number.isdecimal() and name else text


def still_chosen(chosen: str | None, choices: Sequence[str]) -> str | None:
    """Return which of a network's identities is chosen, after the list was loaded or has changed.

    Args:
        chosen: The choice until now: an entry of the list, a number, or a name.
        choices: The new list, whose first entry is chosen if there was no choice.

    Returns:
        None if the choice is not in the list.
    """
    text = _typed(chosen)[:LONGEST]
    if not text:
        return next(iter(choices), None)
    if text in choices:
        return text
    if text.isdecimal() and int(text) < len(choices):
        return choices[int(text)]
    named = (choice for choice in choices if plain_name(choice.partition(": ")[2]) == plain_name(text))
    return next(named, None)


def identity_attack(attacker: Attacker, chosen: str | None) -> Attack:
    """Return the attack on a class of a network.

    Raises:
        PageError: If nothing was chosen.
    """
    wanted = wanted_class(chosen)

    def attack(job: Job, **options: Any) -> Run:
        if isinstance(wanted, int):
            return attacker.generate(wanted, progress=job.progress, **options)
        return attacker.generate(class_name=wanted, progress=job.progress, **options)

    return attack


def identity_target(network: str, attacker: Attacker, chosen: str | None) -> Target:
    """Return which class an attack is on, with how often the network has seen the person.

    Args:
        network: The network's name on the page.
        attacker: The network.
        chosen: `123: Some Name`, a number, or a name.

    Raises:
        InputError: If the network has nobody of that number or name.
    """
    recogniser = attacker.recogniser
    label = class_label(recogniser, wanted_class(chosen))
    counts, names = training_photographs(recogniser), recogniser.class_names
    name = display_name(names[label], label) if names else f"Identity {label}"
    return Target(network, f"class {label}", name, seen_in(counts[label] if counts else None))


IDENTITY = Kind(
    wanted_class,
    identity_target,
    identity_attack,
    "This attack was ended, because another person was chosen.",
)


class IdentityTab:
    """Lays out the tab, and connects it.

    Args:
        context: The server's context.
        model: The control with the network's name.
        opening: What the page opens with; its first person is chosen at first.
    """

    name = "identity"

    def __init__(self, context: Context, model: gr.Dropdown, opening: Opening) -> None:
        self._context = context
        first = opening.people[0].choice
        gr.HTML(
            note(
                "A network that was trained to recognise people keeps one direction for each of them, the "
                "class centre. This tab makes a face from that direction alone, without any photograph of "
                "the person."
            )
        )
        with gr.Row(elem_classes="ai-columns"):
            with gr.Column(elem_classes="ai-controls"):
                self.wanted = gr.Dropdown(
                    [first],
                    value=first,
                    label="Identity",
                    info="Choose, or type a name or a number",
                    filterable=True,
                    allow_custom_value=True,
                    elem_id="identity",
                )
                pick = gr.Button("Pick one at random")
                message = gr.HTML()
                self.panel = AttackPanel(context, self.name, "Reconstruct the face", IDENTITY)
            with gr.Column(elem_classes="ai-results"):
                self.panel.place_results(placeholder(opening))
        self.panel.connect(model, [self.wanted])
        self.panel.follow(self.wanted.input, model.input, changes=(self.wanted.change, model.change))
        self.listing = [model, self.wanted], [self.wanted, message]
        on_change(model.input, self.change_classes, *self.listing)
        on_change(self.wanted.input, lambda: "", [], [message])
        picked = on_change(pick.click, self._pick, [model], [self.wanted, message])
        self.panel.follow(picked.then)

    @property
    def restored_outputs(self) -> list[Any]:
        """The outputs of `restored`."""
        return self.panel.result_outputs

    def restored(self, kept: Kept, key: str, network: str) -> dict[Any, Any]:
        """Return the updates that show a kept result again; the address has the person."""
        return self.panel.restored(kept, key)

    def change_classes(self, name: str, chosen: str | None) -> tuple[Any, str]:
        """Return the identities of another network: who was chosen stays, or else the first one is chosen."""
        found, trouble = self._listed(name)
        still = still_chosen(chosen, found)
        if still is None and found:
            still = found[0]
            trouble = note(
                f"The network {name} does not know {_name_of(chosen)}. {_name_of(still)} is chosen."
            )
        return gr.Dropdown(choices=found, value=still), trouble

    def list_classes(self, name: str, chosen: str | None) -> tuple[Any, str]:
        """Return the identities of a network. Who was chosen stays, with a message if the list lacks them."""
        found, trouble = self._listed(name)
        still = still_chosen(chosen, found)
        if still is None and found:
            words = f"The network {name} does not know {_name_of(chosen)}. Choose somebody from the list."
            return gr.Dropdown(choices=found), problem(words)
        # While a network is loaded the visitor may choose somebody else, who is kept if nothing is set here.
        return (
            gr.Dropdown(choices=found) if still == chosen else gr.Dropdown(choices=found, value=still)
        ), trouble

    def _pick(self, name: str) -> tuple[Any, str]:
        found, trouble = self._listed(name)
        return (gr.Dropdown(value=secrets.choice(found)) if found else gr.Dropdown()), trouble

    def _listed(self, name: str) -> tuple[list[str], str]:
        found, trouble = attempt(lambda: class_choices(self._context.attacker(name).recogniser))
        return found or [], trouble
