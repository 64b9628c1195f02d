"""Starting images: by seed alone, near what they are made of."""

import pytest
import torch
from torch import Tensor

from arcinvert.inversion.initialisation import FACE_START_NOISE, face_initialisation, noise_initialisation


def mean_face(size: int = 24) -> Tensor:
    """A smooth picture away from 0 and 1, so that nothing is clipped."""
    ramp = torch.linspace(0.3, 0.7, size)
    return torch.stack(
        [ramp.expand(size, size), ramp[:, None].expand(size, size), torch.full((size, size), 0.5)]
    )


def start(name: str, seeds: list[int], size: int = 24) -> Tensor:
    if name == "noise":
        return noise_initialisation(seeds=seeds, size=size)
    return face_initialisation(mean_face().expand(len(seeds), -1, -1, -1), seeds=seeds, size=size)


@pytest.mark.parametrize("name", ["face", "noise"])
def test_conformance(name: str) -> None:
    images = start(name, [1, 2])
    assert images.shape == (2, 3, 24, 24)
    assert images.dtype == torch.float32
    assert float(images.min()) >= 0
    assert float(images.max()) <= 1
    assert torch.equal(images, start(name, [1, 2]))
    assert not torch.equal(images[0], images[1])


@pytest.mark.parametrize("name", ["face", "noise"])
def test_an_image_depends_on_its_seed_alone(name: str) -> None:
    batch = start(name, [5, 6, 7])
    torch.manual_seed(123)
    assert torch.equal(batch[1], start(name, [6])[0])


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    start("noise", [1])
    assert torch.equal(torch.rand(3), expected)


def test_a_face_start_is_the_face_with_a_little_noise() -> None:
    images = start("face", list(range(40)))
    difference = images - mean_face()
    assert 0.5 * FACE_START_NOISE < float(difference.std()) < 1.2 * FACE_START_NOISE
    torch.testing.assert_close(images.mean(0), mean_face(), rtol=0, atol=6 * FACE_START_NOISE / 40**0.5)


def test_each_face_is_its_own_start() -> None:
    faces = torch.stack([mean_face(), mean_face().flip(-1)])
    images = face_initialisation(faces, seeds=[3, 3], size=24)
    torch.testing.assert_close(images[1] - images[0], faces[1] - faces[0])


def test_noise_is_around_grey() -> None:
    assert float(start("noise", [3]).mean()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("size", [12, 48])
def test_the_face_is_resized(size: int) -> None:
    images = start("face", list(range(30)), size)
    assert images.shape == (30, 3, size, size)
    # The ramps of the face are still there, at the new size.
    expected = mean_face(size)
    inner = slice(2, -2)
    torch.testing.assert_close(images.mean(0)[:, inner, inner], expected[:, inner, inner], rtol=0, atol=0.07)


def test_noise_on_a_face_has_no_colour_and_no_grain() -> None:
    difference = start("face", [1])[0] - mean_face()
    torch.testing.assert_close(difference[0], difference[1], rtol=0, atol=1e-6)
    torch.testing.assert_close(difference[0], difference[2], rtol=0, atol=1e-6)
    neighbours = float((difference[..., 1:] - difference[..., :-1]).std())
    # Independent pixels would differ by the root of two deviations.
    assert neighbours < 0.7 * float(difference.std())
