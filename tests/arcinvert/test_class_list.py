"""The list of classes: search, limit, angles, and the people who are known best."""

import math

import pytest
import torch
from torch import nn

from arcinvert.class_list import best_known_classes, list_classes
from recognition.errors import InputError
from recognition.recogniser import Recogniser

#: Directions in a plane at these angles: the nearest others are 30, 30, 40 and 80 degrees away.
DEGREES = (0.0, 30.0, 70.0, 150.0)
NAMES = ("Ann_Able", "Zoë-Marie Able", "Bob", "Cat")


def network(**options: object) -> Recogniser:
    radians = torch.tensor(DEGREES).deg2rad()
    centres = torch.stack([radians.cos(), radians.sin()], 1)
    return Recogniser(nn.Identity(), name="plane", centres=centres, **options)  # type: ignore[arg-type]


def test_a_class_has_number_name_photographs_and_angle() -> None:
    listed, total = list_classes(network(class_names=NAMES, class_photographs=(9, 4, 4, 1)))
    assert total == 4
    assert [(one.id, one.name, one.photographs) for one in listed] == list(
        zip(range(4), NAMES, (9, 4, 4, 1), strict=True)
    )
    assert [one.nearest_degrees for one in listed] == pytest.approx([30, 30, 40, 80], abs=0.02)
    assert [one.seen_in for one in listed] == [
        "seen in 9 photographs",
        *["seen in 4 photographs"] * 2,
        "seen in 1 photograph",
    ]


def test_search_ignores_case_accents_and_hyphens() -> None:
    listed, total = list_classes(network(class_names=NAMES), search="ABLE zoe marie")
    assert (total, [(one.id, one.photographs, one.seen_in) for one in listed]) == (1, [(1, None, "")])
    assert listed[0].nearest_degrees == pytest.approx(30, abs=0.02)
    assert list_classes(network(class_names=NAMES), search="nobody") == ([], 0)


def test_the_limit_keeps_the_first_and_the_total() -> None:
    listed, total = list_classes(network(class_names=NAMES), search="able", limit=1)
    assert ([one.id for one in listed], total) == ([0], 2)
    nameless, total = list_classes(network(), limit=3)
    assert ([(one.id, one.name) for one in nameless], total) == ([(0, None), (1, None), (2, None)], 4)


def test_an_only_class_has_no_angle() -> None:
    only = Recogniser(nn.Identity(), name="one", centres=torch.ones(1, 2))
    assert list_classes(only)[0][0].nearest_degrees is None


def test_the_best_known_come_first_in_any_order_of_classes() -> None:
    known = best_known_classes(network(class_names=NAMES, class_photographs=(1, 7, 2, 7)), 3)
    assert [(one.id, one.photographs) for one in known] == [(1, 7), (3, 7), (2, 2)]
    assert best_known_classes(network(class_names=NAMES), 3) == []
    assert math.isclose(known[0].nearest_degrees or 0, 30, abs_tol=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"search": "ann"}, "search: expected classes with names"),
        ({"limit": 0}, "limit: expected 1 or more classes, got 0"),
    ],
)
def test_what_cannot_be_listed(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        list_classes(network(), **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"search: expected part of a name, got '_ '"):
        list_classes(network(class_names=NAMES), search="_ ")
