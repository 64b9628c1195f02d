"""Noise on faces: it follows from seeds alone, is weak, grey and of low frequency."""

import pytest
import torch
from torch import Tensor

from arcinvert.inversion.initialisation.base import FACE_NOISE, gaussian, with_noise


def face(size: int = 24) -> Tensor:
    """Return a smooth image away from 0 and 1, so that nothing is clipped."""
    ramp = torch.linspace(0.3, 0.7, size)
    return torch.stack(
        [ramp.expand(size, size), ramp[:, None].expand(size, size), torch.full((size, size), 0.5)]
    )


def noisy(seeds: list[int], size: int = 24) -> Tensor:
    return with_noise(face().expand(len(seeds), -1, -1, -1), seeds=seeds, size=size)


def test_each_row_of_noise_depends_on_its_seed_alone() -> None:
    rows = gaussian([5, 6, 7], (3, 4))
    torch.manual_seed(123)
    assert rows.shape == (3, 3, 4)
    assert torch.equal(rows[1], gaussian([6], (3, 4))[0])
    assert not torch.equal(rows[0], rows[1])


def test_noise_is_weak_and_has_no_mean() -> None:
    images = noisy(list(range(40)))
    difference = images - face()
    assert 0.5 * FACE_NOISE < float(difference.std()) < 1.2 * FACE_NOISE
    torch.testing.assert_close(images.mean(0), face(), rtol=0, atol=6 * FACE_NOISE / 40**0.5)


def test_noise_of_a_seed_is_the_same_on_every_face() -> None:
    faces = torch.stack([face(), face().flip(-1)])
    images = with_noise(faces, seeds=[3, 3], size=24)
    torch.testing.assert_close(images[1] - images[0], faces[1] - faces[0])


@pytest.mark.parametrize("size", [12, 48])
def test_faces_are_resized(size: int) -> None:
    images = noisy(list(range(30)), size)
    assert images.shape == (30, 3, size, size)
    # The ramps of the face are still there, at the new size.
    inner = slice(2, -2)
    torch.testing.assert_close(
        images.mean(0)[:, inner, inner], face(size)[:, inner, inner], rtol=0, atol=0.07
    )


def test_noise_has_no_colour_and_no_grain() -> None:
    difference = noisy([1])[0] - face()
    torch.testing.assert_close(difference[0], difference[1], rtol=0, atol=1e-6)
    torch.testing.assert_close(difference[0], difference[2], rtol=0, atol=1e-6)
    neighbours = float((difference[..., 1:] - difference[..., :-1]).std())
    # Independent pixels would differ by the root of two standard deviations.
    assert neighbours < 0.7 * float(difference.std())


def test_images_stay_in_range() -> None:
    white = with_noise(torch.ones(20, 3, 24, 24), seeds=list(range(20)), size=24)
    assert float(white.max()) == 1
    assert float(white.min()) < 1
