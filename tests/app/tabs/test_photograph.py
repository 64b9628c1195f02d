"""The example photograph, its template, and the attack on it."""

import dataclasses
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from app.tabs.photograph import (
    chosen_crop,
    example,
    photograph_attack,
    show_photograph,
    show_template,
)
from app.upload import Photograph, decode
from arcinvert import Attacker, InputError, Step
from arcinvert.subjects import crop_subjects
from recognition.detection.alignment import crop_at
from recognition.detection.search import find_faces


@pytest.fixture(scope="module")
def portrait() -> Photograph:
    return decode(example())


@pytest.fixture(scope="module")
def couple(portrait: Photograph) -> Photograph:
    """The example beside its mirror image: two faces."""
    twice = np.concatenate([portrait.pixels, portrait.pixels[:, ::-1]], axis=1)
    face, width = portrait.faces[0], portrait.pixels.shape[1]
    moved = dataclasses.replace(
        face,
        box=(face.box[0] + width, face.box[1], face.box[2] + width, face.box[3]),
        points=face.points + np.array([width, 0]),
    )
    return Photograph("couple.png", twice, [face, moved])


def test_the_example_offers_the_face_alone(portrait: Photograph) -> None:
    # The detector also finds a face, with a low score, in the emblem on the sleeve.
    assert len(find_faces(portrait.pixels)) > 1
    assert len(portrait.faces) == 1
    left, top, right, bottom = portrait.faces[0].box
    assert left < 222 < right
    assert top < 126 < bottom


def test_the_photograph_and_the_template_of_a_face(couple: Photograph, tiny_attacker: Attacker) -> None:
    assert re.findall(r'<rect class="(\w+)"', show_photograph(couple, 1)) == ["other", "chosen"]
    shown = show_template(couple, 1, tiny_attacker.recogniser)
    assert "32 numbers" in shown
    # Computed by the attack itself: the strip's first numbers are those of the template that is attacked.
    crop = crop_at(couple.pixels, couple.faces[1])
    (subject,) = crop_subjects(tiny_attacker.recogniser, crop, tiny_attacker.judge)
    assert ", ".join(f"{value:.3f}" for value in subject.template[:4].tolist()) in shown


def test_the_chosen_face_is_attacked(couple: Photograph, tiny_attacker: Attacker) -> None:
    steps: list[Step] = []
    job: Any = SimpleNamespace(progress=steps.append)
    run = photograph_attack(tiny_attacker, (couple, 1))(job, steps=1)
    floors = [
        tiny_attacker.from_crops(crop_at(couple.pixels, face), steps=1).samples[0]["judge"]["floor_type_1"]
        for face in couple.faces
    ]
    assert run.samples[0]["judge"]["floor_type_1"] == floors[1] != floors[0]
    assert steps
    crop = chosen_crop((couple, 1))
    assert crop is not None
    assert np.array_equal(crop, crop_at(couple.pixels, couple.faces[1]))


def test_no_photograph_yet(tiny_attacker: Attacker) -> None:
    assert chosen_crop(None) is None
    with pytest.raises(InputError, match="There is no photograph yet"):
        photograph_attack(tiny_attacker, None)
