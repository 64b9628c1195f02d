"""Errors without options, commands and names of code."""

import re

import pytest

from app.wording import PageError, for_page
from arcinvert import Attacker, InputError
from recognition.recogniser import Recogniser
from tests.conftest import TINY_NAMES


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (
            "Seed: expected a whole number from 0 up, got -1",
            "Seed: expected a whole number from 0 up, got -1.",
        ),
        ("seed: expected 0 or more, got -1; give --seed", "Seed: expected 0 or more, got -1."),
        (
            "photo.jpg: expected at most 20 MB, got more; choose a smaller file",
            "photo.jpg: expected at most 20 MB, got more. Choose a smaller file.",
        ),
        ("memory: lower --samples or --steps", "Memory: lower samples or steps."),
        (
            "a.json: damaged; run 'arcinvert audit' again",
            "a.json: damaged.",
        ),
    ],
)
def test_messages(message: str, shown: str) -> None:
    assert for_page(InputError(message)) == shown


def test_a_sentence_of_the_page_stays_as_it_is() -> None:
    assert for_page(PageError("seed: --seed; numpy")) == "seed: --seed; numpy"


def refusal(attacker: Attacker, **wanted: object) -> str:
    with pytest.raises(InputError) as refused:
        attacker.generate(steps=1, **wanted)
    return for_page(refused.value)


def test_people_that_a_network_does_not_know(tiny_attacker: Attacker) -> None:
    assert refusal(tiny_attacker, class_id=99) == (
        "This network has nobody with the number 99. Its people have the numbers 0 to 4."
    )
    unknown = refusal(tiny_attacker, class_name="serena williams")
    assert unknown.startswith("This network does not know serena williams. ")
    near = refusal(tiny_attacker, class_name=TINY_NAMES[0][:-1] + "x")
    assert TINY_NAMES[0] in near


def test_a_network_without_identities(tiny_attacker: Attacker) -> None:
    backbone = Recogniser(tiny_attacker.recogniser.backbone, name="bare")
    with pytest.raises(InputError) as refused:
        Attacker(backbone, device="cpu", knowledge="weights").generate(0, steps=1)
    shown = for_page(refused.value)
    assert shown.startswith("The network bare keeps no identities")
    assert "'From a photograph'" in shown
    assert not re.search("--|from-image", shown)
