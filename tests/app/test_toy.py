"""The small network of the Learn tab, and the trainings that come with the page."""

import json

import numpy as np
import pytest
import torch

from app.learn import Margin
from app.toy import DRAWN, LOSSES, SCALE, degrees, drawn, shipped_toys, train_toy
from app.toys_view import toys_view
from recognition.errors import InputError


def test_a_margin_packs_the_toy_tighter() -> None:
    plain, packed = train_toy(Margin(), 16), train_toy(Margin(m2=0.5), 16)
    last = packed.embeddings[-1]
    assert last.shape == (192, 2)
    assert np.linalg.norm(last, axis=1) == pytest.approx(np.ones(192))
    assert packed.within < plain.within / 2
    assert packed.correct > 0.95
    own = (last * packed.centres[-1][packed.labels]).sum(1).clip(-1, 1)
    assert packed.within == pytest.approx(np.degrees(np.arccos(own)).mean(), abs=1e-3)


def test_the_toy_is_the_same_each_time_and_frames_change_nothing() -> None:
    torch.manual_seed(1)
    first = train_toy(Margin(m3=0.1), 8)
    torch.manual_seed(2)
    framed = train_toy(Margin(m3=0.1), 8, every=50)
    assert framed.steps == (0, 50, 100, 150, 200)
    assert framed.embeddings.shape == (5, 192, 2)
    assert np.array_equal(first.embeddings[-1], framed.embeddings[-1])
    assert np.array_equal(first.embeddings[0], framed.embeddings[0])


def test_a_scale_out_of_range() -> None:
    with pytest.raises(InputError, match="Scale: expected a positive number, got 0"):
        train_toy(Margin(), 0)


def test_angles_of_directions() -> None:
    directions = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [1.0, -1e-4]])
    assert degrees(directions).tolist() == [0, 90, 180, 270, 0]


def test_the_shipped_trainings_are_those_of_the_losses() -> None:
    shipped = shipped_toys()
    assert list(shipped) == [loss.title for loss in LOSSES]
    steps, frames = {tuple(toy["steps"]) for toy in shipped.values()}, 0
    assert len(steps) == 1
    frames = len(steps.pop())
    for toy in shipped.values():
        assert np.shape(toy["faces"]) == (frames, 8 * DRAWN)
        assert np.shape(toy["centres"]) == (frames, 8)
    # What a margin is for, and the centre loss too.
    within = {title: toy["within"] for title, toy in shipped.items()}
    assert within["ArcFace"] < within["SphereFace"] < within["Softmax"]
    assert within["Centre loss"] < within["Softmax"]
    # The initial weights are shared.
    assert len({json.dumps(toy["faces"][0]) for toy in shipped.values()}) == 1


def test_one_of_the_shipped_trainings_again() -> None:
    loss = next(loss for loss in LOSSES if loss.centre_weight)
    made = drawn(train_toy(loss.margin, SCALE, centre_weight=loss.centre_weight))
    shipped = shipped_toys()[loss.title]
    # Other machines round differently, and 200 steps amplify it.
    assert made["within"] == pytest.approx(shipped["within"], abs=1.0)
    assert made["correct"] == pytest.approx(shipped["correct"], abs=0.03)


def test_pictures_say_what_they_show() -> None:
    shipped = shipped_toys()
    html = toys_view(shipped)
    assert html.count('role="img"') == len(LOSSES)
    for title, toy in shipped.items():
        assert f"{title} after training. On average {toy['within']:.1f}° from a face to its centre" in html
    assert html.count('class="face"') == len(LOSSES) * 8 * DRAWN
    # SVG turns clockwise.
    assert f"rotate({-shipped['Softmax']['faces'][-1][0]})" in html
