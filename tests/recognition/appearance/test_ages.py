"""How faces change with age: what is done to each, by hand, and what is shipped."""

import numpy as np
import pytest
import torch

from recognition.appearance.ages import GIVEN
from recognition.appearance.change import SIDE
from recognition.appearance.deformations import bundled_ages, bundled_deformations
from recognition.images import to_tensor
from tests.recognition.appearance.deformations import made_up_ages, made_up_deformations
from tests.recognition.appearance.test_deformations import moved


def test_an_age_is_linear_in_the_pixels() -> None:
    shades = torch.tensor([0.0, 0.2, 0.5])
    for side in (SIDE, 112, 224):
        images = shades[:, None, None, None].expand(3, 3, side, side)
        torch.testing.assert_close(made_up_ages().read(images), torch.tensor([5.0, 25.0, 55.0]))


def test_each_face_is_given_the_years_that_it_lacks() -> None:
    # Of 25 and of 55 years; 45 are wanted.
    images = torch.stack([torch.full((3, SIDE, SIDE), 0.2), torch.full((3, SIDE, SIDE), 0.5)])
    change = made_up_ages().change(images, 45.0)
    years = torch.tensor([20.0, -10.0]) * GIVEN
    torch.testing.assert_close(change.colours[:, 0, 0, 0], 0.01 * years)
    assert not change.colours[:, 1:].any()
    torch.testing.assert_close(change.flow[:, 1, 0, 0], 0.1 / SIDE * years)
    shown = made_up_deformations().of(aged=change)(images)
    torch.testing.assert_close(shown[:, 0, 10, 10], torch.tensor([0.2, 0.5]) + 0.01 * years)
    torch.testing.assert_close(shown[:, 1:], images[:, 1:])


def test_age_and_expression_come_before_the_pose() -> None:
    ramp = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    ages = made_up_ages()
    years = 10.0 / GIVEN
    change = ages.change(ramp, float(ages.read(ramp)) + years)
    shown = made_up_deformations().of(yaw=30.0, expression="smile", aged=change)(ramp)
    # A smile of three pixels and a turn of two to the right, ten years of a tenth of a pixel down.
    expected = moved(ramp, 5, 1)
    expected[:, 0] += 0.1
    torch.testing.assert_close(shown, expected, atol=1e-5, rtol=0)


def test_the_shipped_ones_make_a_photograph_older_and_younger(astronaut_crop: np.ndarray) -> None:
    image = to_tensor(astronaut_crop)[None]
    ages = bundled_ages()
    now = float(ages.read(image))
    assert now == pytest.approx(38, abs=12)
    read = []
    for age in (25.0, now, 65.0):
        shown = bundled_deformations().of(aged=ages.change(image, age))(image).clamp(0, 1)
        read.append(float(ages.read(shown)))
    assert read[1] == pytest.approx(now, abs=0.1)
    assert read[0] < now - 5
    assert read[2] > now + 10
