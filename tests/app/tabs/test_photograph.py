"""The example photograph, its template, and the attack on it."""

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.tabs.photograph import chosen_crop, example, photograph_attack, show_choice
from app.upload import Photograph, decode
from arcinvert import Attacker, InputError, Step
from recognition.detection.alignment import crop_at


@pytest.fixture(scope="module")
def portrait() -> Photograph:
    return decode(example())


def test_the_example_photograph_and_its_template(portrait: Photograph, tiny_attacker: Attacker) -> None:
    shown = show_choice(portrait, 1, tiny_attacker.recogniser)
    assert re.findall(r'<rect class="(\w+)"', shown)[:2] == ["other", "chosen"]
    assert "32 numbers" in shown


def test_the_chosen_face_is_attacked(portrait: Photograph, tiny_attacker: Attacker) -> None:
    steps: list[Step] = []
    job: Any = SimpleNamespace(progress=steps.append)
    run = photograph_attack(tiny_attacker, (portrait, 1))(job, steps=1)
    expected = tiny_attacker.from_crops(crop_at(portrait.pixels, portrait.faces[1]), steps=1)
    # The random numbers differ, the photograph of Type I does not.
    assert run.samples[0]["judge"]["floor_type_1"] == expected.samples[0]["judge"]["floor_type_1"]
    assert steps
    crop = chosen_crop((portrait, 1))
    assert crop is not None
    assert np.array_equal(crop, crop_at(portrait.pixels, portrait.faces[1]))


def test_no_photograph_yet(tiny_attacker: Attacker) -> None:
    assert chosen_crop(None) is None
    with pytest.raises(InputError, match="expected one, got none"):
        photograph_attack(tiny_attacker, None)
