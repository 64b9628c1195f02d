"""Classes that are chosen or typed."""

from types import SimpleNamespace
from typing import Any

import pytest

from app.tabs.identity import LONGEST, class_choices, identity_attack, still_chosen, wanted_class
from app.wording import PageError
from arcinvert import Attacker, InputError
from tests.conftest import TINY_NAMES


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("123", 123),
        (" 7 ", 7),
        ("123: Alex Ferguson", 123),
        ("Alex_Ferguson ", "Alex_Ferguson"),
        ("-1", -1),
        ("-a", "-a"),
    ],
)
def test_a_class_by_name_or_number(text: str, wanted: int | str) -> None:
    assert wanted_class(text) == wanted


@pytest.mark.parametrize("text", ["", "  ", None, ["Ann Able"], 3, {"label": 1}])
def test_no_class(text: Any) -> None:
    with pytest.raises(PageError, match="Choose a person from the list"):
        wanted_class(text)


def test_what_no_name_is_long_enough_for() -> None:
    assert wanted_class("9" * LONGEST) == int("9" * LONGEST)
    for text in ("9" * 5000, "x" * (LONGEST + 1)):
        with pytest.raises(PageError, match="at most 200 characters"):
            wanted_class(text)
    assert still_chosen("9" * 5000, ["0: Ann Able"]) is None


def test_the_list_of_classes(tiny_attacker: Attacker) -> None:
    assert class_choices(tiny_attacker.recogniser) == [
        f"{label}: {name}" for label, name in enumerate(TINY_NAMES)
    ]


def test_an_unknown_class_is_refused(tiny_attacker: Attacker) -> None:
    attack = identity_attack(tiny_attacker, "99")
    job: Any = SimpleNamespace(progress=lambda step: None)
    with pytest.raises(InputError, match="expected 0 to 4, got 99"):
        attack(job, steps=1)


@pytest.mark.parametrize("typed", [TINY_NAMES[2], "cát__CHARLIE"])
def test_a_class_is_attacked_by_name(tiny_attacker: Attacker, typed: str) -> None:
    job: Any = SimpleNamespace(progress=lambda step: None)
    run = identity_attack(tiny_attacker, typed)(job, steps=1)
    assert [sample["class_id"] for sample in run.samples] == [2]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("1: Bo Brown", "1: Bo Brown"),
        ("1", "1: Bo Brown"),
        ("bo_brown", "1: Bo Brown"),
        ("Bö-Brown", "1: Bo Brown"),
        # Nobody in this network: others must not get somebody else's number by chance, nor the first one.
        ("1: Somebody Else", None),
        ("2", None),
        ("", "0: Ann Able"),
        (None, "0: Ann Able"),
    ],
)
def test_who_stays_chosen_when_the_list_changes(chosen: str | None, expected: str) -> None:
    assert still_chosen(chosen, ["0: Ann Able", "1: Bo Brown"]) == expected
    assert still_chosen(chosen, []) is None
