"""Deformations: what they do to images, by hand, their file, and those that are shipped."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from recognition.appearance.deformations import (
    SIDE,
    bundled_deformations,
    load_deformations,
    mirrored_flow,
    save_deformations,
)
from recognition.appearance.expressions import Expression
from recognition.appearance.measures import landmarks, measure
from recognition.bundled import deformations_path
from recognition.errors import InputError
from recognition.images import to_tensor, to_uint8
from tests.recognition.appearance.deformations import made_up_deformations, shift


def images(count: int = 2) -> Tensor:
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def moved(given: Tensor, right: int, down: int) -> Tensor:
    """Return the pixel so far to the right and down of each; edges continue."""
    line = torch.arange(SIDE)
    return given[..., (line + down).clamp(0, SIDE - 1), :][..., (line + right).clamp(0, SIDE - 1)]


@pytest.mark.parametrize(
    ("yaw", "right"), [(0.0, 0.0), (5.0, 0.5), (10.0, 1.0), (20.0, 1.5), (30.0, 2.0), (40.0, 2.5)]
)
def test_flows_are_linear_between_angles_and_beyond(yaw: float, right: float) -> None:
    torch.testing.assert_close(made_up_deformations().yaw.at(yaw), shift(right, 0))


def test_pixels_move_as_the_flow_says() -> None:
    torch.testing.assert_close(made_up_deformations().of(yaw=30.0)(images()), moved(images(), 2, 0))
    torch.testing.assert_close(made_up_deformations().of(pitch=-10.0)(images()), moved(images(), 0, -1))
    torch.testing.assert_close(
        made_up_deformations().of(yaw=10.0, pitch=10.0)(images()), moved(images(), 1, 1)
    )
    torch.testing.assert_close(made_up_deformations().of(yaw=0.0)(images()), images())


def test_a_turn_to_the_left_is_that_of_the_mirror_image() -> None:
    left = made_up_deformations().of(yaw=-30.0)(images())
    torch.testing.assert_close(left, made_up_deformations().of(yaw=30.0)(images().flip(-1)).flip(-1))
    torch.testing.assert_close(left, moved(images(), -2, 0))
    torch.testing.assert_close(mirrored_flow(mirrored_flow(shift(2, 1))), shift(2, 1))


def test_an_expression_comes_before_the_pose() -> None:
    # Three quarters of a smile of four pixels are given.
    turned = made_up_deformations().of(yaw=30.0, expression="smile")(images())
    torch.testing.assert_close(turned, moved(images(), 5, 0))
    colours = made_up_deformations().of(yaw=30.0, expression="neutral")(images()) - moved(images(), 2, 0)
    # Half of the spot at column 30 is seen two columns to the left of it.
    assert float(colours[0, 0, 20, 28]) == pytest.approx(0.125, abs=1e-5)
    assert float(colours.abs().sum()) == pytest.approx(2 * 0.125, abs=0.01)


def test_images_of_other_sizes_move_by_the_same_share_of_their_width() -> None:
    large = images().repeat_interleave(2, -1).repeat_interleave(2, -2)
    found = made_up_deformations().of(yaw=30.0)(large)
    torch.testing.assert_close(found, moved(images(), 2, 0).repeat_interleave(2, -1).repeat_interleave(2, -2))


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "deformations.safetensors"
    save_deformations(path, made_up_deformations(), "nothing")
    again, known = load_deformations(path), made_up_deformations()
    torch.testing.assert_close(again.yaw.flows, known.yaw.flows, atol=1e-4, rtol=0)
    assert torch.equal(again.pitch.angles, known.pitch.angles)
    assert set(again.expressions) == set(get_args(Expression))
    assert again.ages is not None
    assert known.ages is not None
    torch.testing.assert_close(again.ages.read(images()), known.ages.read(images()), atol=0.05, rtol=0)
    torch.testing.assert_close(again.ages.year.colours, known.ages.year.colours, atol=1e-5, rtol=0)
    torch.testing.assert_close(again.ages.year.flow, known.ages.year.flow, atol=1e-5, rtol=0)
    save_deformations(path, replace(known, ages=None), "nothing")
    assert load_deformations(path).ages is None
    torch.testing.assert_close(
        again.expressions["smile"].flow, known.expressions["smile"].flow, atol=1e-4, rtol=0
    )


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        ({"weight": torch.zeros(2)}, {}, "expected a file of 'python -m recognition fit-deformations'"),
        ({"yaw.angles": torch.zeros(5)}, {"format": "arcinvert-deformations-1"}, "damaged deformations"),
    ],
)
def test_other_files_are_refused(
    tmp_path: Path, tensors: dict[str, Tensor], metadata: dict[str, str], message: str
) -> None:
    path = tmp_path / "other.safetensors"
    save_file(tensors, path, metadata)
    with pytest.raises(InputError, match=message):
        load_deformations(path)


@pytest.mark.parametrize("yaw", [-30.0, -15.0, 15.0, 30.0])
def test_the_shipped_ones_turn_a_photograph(yaw: float, astronaut_crop: np.ndarray) -> None:
    assert deformations_path().stat().st_size < 1_000_000
    before, _ = numbers(astronaut_crop, None)
    turned, _ = numbers(astronaut_crop, {"yaw": yaw})
    assert turned - before == pytest.approx(yaw, abs=8)


def test_the_shipped_ones_look_up_and_down(astronaut_crop: np.ndarray) -> None:
    pitches = [numbers(astronaut_crop, {"pitch": pitch})[1][1] for pitch in (-15.0, 0.0, 15.0)]
    assert pitches[2] - pitches[0] == pytest.approx(30, abs=12)
    assert pitches == sorted(pitches)


def test_the_shipped_ones_open_a_mouth_and_close_eyes(astronaut_crop: np.ndarray) -> None:
    _, still = numbers(astronaut_crop, None)
    _, opened = numbers(astronaut_crop, {"expression": "open-mouth"})
    _, closed = numbers(astronaut_crop, {"expression": "eyes-closed"})
    assert opened[3] > still[3] + 0.05
    assert closed[4] < still[4] - 0.04


def numbers(crop: np.ndarray, wanted: dict[str, object] | None) -> tuple[float, np.ndarray]:
    """Return the yaw and all numbers of a photograph that is given an appearance."""
    image = to_tensor(crop)[None]
    if wanted is not None:
        image = bundled_deformations().of(**wanted)(image).clamp(0, 1)  # type: ignore[arg-type]
    found = measure(landmarks(to_uint8(image)[0]))
    return float(found[0]), found
