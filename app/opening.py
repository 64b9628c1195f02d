"""The finished result that the page opens with, made beforehand by `python -m app.make_opening`.

Reading and showing it needs no network, so that a visitor sees it before anything is loaded.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from arcinvert.output.verdicts import display_name, one_in, seen_in

from . import resources
from .badges import is_accepted, plain_badge, verdict_badge
from .html import faces_row, figure
from .results import MEAN_FACE_ALT, MEAN_FACE_CAPTION
from .strip import template_strip

#: The file in the folder `data`.
FILE = "opening.json"


@dataclass(frozen=True)
class Example:
    """One finished attack on the template of a photograph.

    Args:
        name: The person's name.
        credit: Where the photograph is from.
        template: The numbers that were attacked, rounded.
        photograph: The aligned photograph as a data URI, like the other pictures.
        mean_face: The mean face that the attack started from.
        reconstruction: The reconstruction.
        judge: The verdict on it, as result.json has it.
    """

    name: str
    credit: str
    template: tuple[float, ...]
    photograph: str
    mean_face: str
    reconstruction: str
    judge: Mapping[str, Any]


@dataclass(frozen=True)
class Person:
    """Somebody whom the network was trained on, with a reconstruction from its weights.

    Args:
        label: The class number.
        name: The class name.
        photographs: The number of photographs that the network was trained on; None if it is not known.
        reconstruction: The reconstruction as a data URI.
        judge: The verdict on it, as result.json has it.
    """

    label: int
    name: str
    photographs: int | None
    reconstruction: str
    judge: Mapping[str, Any]

    @property
    def choice(self) -> str:
        """The person as the list of identities shows them."""
        return f"{self.label}: {display_name(self.name, self.label)}"


@dataclass(frozen=True)
class Opening:
    """What the page opens with.

    Args:
        network: The name of the network that was attacked.
        example: The template of a photograph and what was made of it.
        people: Those whom the network saw most often.
    """

    network: str
    example: Example
    people: tuple[Person, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON; see `from_json`."""
        return {
            "network": self.network,
            "example": vars(self.example) | {"template": list(self.example.template)},
            "people": [vars(person) for person in self.people],
        }


def from_json(data: Mapping[str, Any]) -> Opening:
    """Return the opening in JSON that `Opening.to_json` made."""
    example = Example(**data["example"] | {"template": tuple(data["example"]["template"])})
    return Opening(data["network"], example, tuple(Person(**person) for person in data["people"]))


def shipped_opening() -> Opening:
    """Return the opening that comes with the page."""
    return from_json(json.loads(resources.data(FILE)))


def sentence(opening: Opening) -> str:
    """Return what the opening shows, in plain English."""
    numbers = len(opening.example.template)
    return (
        f"A face recogniser turned this photograph into {numbers} numbers. From the numbers alone, a "
        "computer made picture 3."
    )


def verdict_sentence(opening: Opening) -> str:
    """Return what another recogniser takes the opening's faces for, in plain English."""
    judge, people = opening.example.judge, opening.people
    accepted = sum(is_accepted(one.judge) for one in people)
    if is_accepted(judge):
        rate = one_in(min(float(rate) for rate, passed in judge["accepted"].items() if passed))
        first = (
            "Another recogniser, which had no part in it, takes pictures 1 and 3 for the same person, at a "
            f"threshold that {rate} pairs of strangers pass. It also takes"
        )
    else:
        first = (
            "Another recogniser, which had no part in it, does not take pictures 1 and 3 for the same person "
            "this time. It takes"
        )
    how_many = f"all {accepted}" if accepted == len(people) else f"{accepted or 'none'} of the {len(people)}"
    return f"{first} {how_many} faces below, which the same network gave away, for the people they are of."


def example_view(opening: Opening) -> str:
    """Return the finished result: photograph, template, reconstruction, mean face, and a sentence."""
    example = opening.example
    numbers = len(example.template)
    strip = (
        f'<figure class="ai-face ai-strip">{template_strip(example.template)}'
        f"<figcaption>{plain_badge('2. Template')}<span>The {numbers} numbers that the recogniser keeps, "
        "each drawn as a stripe</span></figcaption></figure>"
    )
    figures = [
        figure(
            example.photograph,
            f"A photograph of {example.name}",
            f"{example.name}. {example.credit}",
            badge=plain_badge("1. Photograph"),
        ),
        strip,
        figure(
            example.reconstruction,
            f"A face made from the template of {example.name}",
            "Made from the numbers alone",
            badge=plain_badge("3. Reconstruction") + verdict_badge(example.judge),
        ),
        figure(
            example.mean_face,
            MEAN_FACE_ALT,
            "For comparison: the mean of many faces, the same for everybody",
            badge=plain_badge("The mean face"),
        ),
    ]
    return (
        f'<p class="ai-headline">{escape(sentence(opening))}</p>'
        f'<div class="ai-hero">{faces_row(figures)}</div>'
        f'<p class="ai-after">{escape(verdict_sentence(opening))}</p>'
    )


def people_view(opening: Opening) -> str:
    """Return the people as buttons, each with a reconstruction, a name, and how often they were seen."""
    cards = []
    for person in opening.people:
        name = display_name(person.name, person.label)
        seen = seen_in(person.photographs)
        cards.append(
            f'<button type="button" class="ai-person" data-person="{escape(person.choice)}">'
            f'<img src="{escape(person.reconstruction)}" alt="">'
            f"<b>{escape(name)}</b><span>{escape(seen)}</span>{verdict_badge(person.judge)}</button>"
        )
    return (
        '<h2 class="ai-title">Try it with somebody whom the network was trained on</h2>'
        '<p class="ai-note">No photograph is needed: a network that was trained to recognise people keeps '
        "what it knows of each of them in its weights. Choose one to see it happen.</p>"
        f'<div class="ai-people">{"".join(cards)}</div>'
    )


def placeholder(opening: Opening) -> str:
    """Return what stands in the place of faces until there are any: the mean face, and an empty frame."""
    return faces_row(
        [
            figure(opening.example.mean_face, MEAN_FACE_ALT, MEAN_FACE_CAPTION),
            '<div class="ai-empty"><p>The reconstructions appear here, step by step.</p></div>',
        ]
    )
