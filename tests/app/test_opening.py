"""What the page opens with."""

import base64
import dataclasses
import io
import json
import re
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.make_opening import CREDIT, make_opening
from app.opening import (
    Opening,
    example_view,
    from_json,
    people_view,
    placeholder,
    shipped_opening,
    verdict_sentence,
)
from arcinvert import Attacker
from arcinvert.demo import PERSON
from recognition.loading import BUNDLED
from tests.conftest import TINY_NAMES


@pytest.fixture(scope="module")
def opening(tiny_attacker: Attacker) -> Opening:
    tiny_attacker.recogniser.class_photographs = (3, 9, 1, 7, 5)
    try:
        return make_opening(tiny_attacker, steps=1)
    finally:
        tiny_attacker.recogniser.class_photographs = None


def test_the_people_are_those_who_were_seen_most_often(opening: Opening) -> None:
    assert [(one.label, one.photographs) for one in opening.people] == [
        (1, 9),
        (3, 7),
        (4, 5),
        (0, 3),
        (2, 1),
    ]
    assert opening.people[0].choice == f"1: {TINY_NAMES[1].replace('_', ' ')}"
    assert (opening.network, opening.example.name, opening.example.credit) == ("tiny", PERSON, CREDIT)
    assert np.linalg.norm(opening.example.template) == pytest.approx(1, abs=0.01)


def test_an_opening_is_the_same_after_its_file(opening: Opening) -> None:
    assert from_json(json.loads(json.dumps(opening.to_json()))) == opening


def test_the_shipped_opening() -> None:
    shipped = shipped_opening()
    assert shipped.network == BUNDLED
    assert len(shipped.people) == 8
    example = shipped.example
    pictures = [example.photograph, example.mean_face, example.reconstruction]
    for uri in pictures + [person.reconstruction for person in shipped.people]:
        data = re.fullmatch("data:image/webp;base64,(.*)", uri)
        assert data is not None
        with Image.open(io.BytesIO(base64.b64decode(data[1]))) as image:
            assert image.size == (112, 112)


def judged(opening: Opening, example: bool, people: list[bool]) -> Opening:
    def judge(accepted: bool) -> dict[str, Any]:
        return {"accepted": {"0.01": accepted, "0.001": False}, "face_detected": True}

    return dataclasses.replace(
        opening,
        example=dataclasses.replace(opening.example, judge=judge(example)),
        people=tuple(
            dataclasses.replace(one, judge=judge(yes))
            for one, yes in zip(opening.people, people, strict=True)
        ),
    )


def test_the_sentence_says_what_the_judge_says(opening: Opening) -> None:
    accepted = verdict_sentence(judged(opening, True, [True, True, False, False, False]))
    assert (
        "takes pictures 1 and 3 for the same person, at a threshold that 1 in 100 pairs of strangers"
        in accepted
    )
    assert accepted.endswith(
        "2 of the 5 faces below, which the same network gave away, for the people they are of."
    )
    assert "It also takes all 5 faces below" in verdict_sentence(judged(opening, True, [True] * 5))
    assert "does not take pictures 1 and 3 for the same person" in verdict_sentence(
        judged(opening, False, [False] * 5)
    )


def test_pictures_have_words_and_people_are_buttons(opening: Opening) -> None:
    shown = example_view(opening)
    assert shown.count("<img") == 3
    assert all('alt="' in tag and 'alt=""' not in tag for tag in re.findall("<img[^>]*>", shown))
    people = people_view(opening)
    assert re.findall('data-person="(\\d):', people) == ["1", "3", "4", "0", "2"]
    assert "seen in 9 photographs" in people
    assert "seen in 1 photograph<" in people
    assert opening.example.mean_face in placeholder(opening)
