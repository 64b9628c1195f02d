"""Starting images: by seed alone, near what they are named after."""

import pytest
import torch
from torch import Tensor

from arcinvert.options import StartName, choices
from arcinvert.starts import MEAN_START_NOISE, make_start


def mean_face(size: int = 24) -> Tensor:
    """A smooth picture away from 0 and 1, so that nothing is clipped."""
    ramp = torch.linspace(0.3, 0.7, size)
    return torch.stack(
        [ramp.expand(size, size), ramp[:, None].expand(size, size), torch.full((size, size), 0.5)]
    )


@pytest.mark.parametrize("name", choices("start"))
def test_conformance(name: StartName) -> None:
    images = make_start(name, seeds=[1, 2], size=24, mean_face=mean_face())
    assert images.shape == (2, 3, 24, 24)
    assert images.dtype == torch.float32
    assert float(images.min()) >= 0
    assert float(images.max()) <= 1
    assert torch.equal(images, make_start(name, seeds=[1, 2], size=24, mean_face=mean_face()))
    assert not torch.equal(images[0], images[1])


@pytest.mark.parametrize("name", choices("start"))
def test_an_image_depends_on_its_seed_alone(name: StartName) -> None:
    batch = make_start(name, seeds=[5, 6, 7], size=24, mean_face=mean_face())
    torch.manual_seed(123)
    alone = make_start(name, seeds=[6], size=24, mean_face=mean_face())
    assert torch.equal(batch[1], alone[0])


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    make_start("noise", seeds=[1], size=24, mean_face=mean_face())
    assert torch.equal(torch.rand(3), expected)


def test_mean_start_is_the_mean_face_with_a_little_noise() -> None:
    images = make_start("mean", seeds=list(range(40)), size=24, mean_face=mean_face())
    difference = images - mean_face()
    assert 0.5 * MEAN_START_NOISE < float(difference.std()) < 1.2 * MEAN_START_NOISE
    torch.testing.assert_close(images.mean(0), mean_face(), rtol=0, atol=6 * MEAN_START_NOISE / 40**0.5)


def test_noise_start_knows_no_face() -> None:
    bright = make_start("noise", seeds=[3], size=24, mean_face=torch.ones(3, 24, 24))
    dark = make_start("noise", seeds=[3], size=24, mean_face=torch.zeros(3, 24, 24))
    assert torch.equal(bright, dark)
    assert float(bright.mean()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("size", [12, 48])
def test_the_mean_face_is_resized(size: int) -> None:
    images = make_start("mean", seeds=list(range(30)), size=size, mean_face=mean_face(24))
    assert images.shape == (30, 3, size, size)
    # The ramps of the mean face are still there, at the new size.
    expected = mean_face(size)
    inner = slice(2, -2)
    torch.testing.assert_close(images.mean(0)[:, inner, inner], expected[:, inner, inner], rtol=0, atol=0.07)


def test_noise_on_the_mean_face_has_no_colour_and_no_grain() -> None:
    difference = make_start("mean", seeds=[1], size=24, mean_face=mean_face())[0] - mean_face()
    torch.testing.assert_close(difference[0], difference[1], rtol=0, atol=1e-6)
    torch.testing.assert_close(difference[0], difference[2], rtol=0, atol=1e-6)
    neighbours = float((difference[..., 1:] - difference[..., :-1]).std())
    # Independent pixels would differ by the root of two deviations.
    assert neighbours < 0.7 * float(difference.std())
