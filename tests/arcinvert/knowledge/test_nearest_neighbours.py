"""Faces from templates: nearest public faces, against means that are written out."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.knowledge.face_pca import faces_of, load_face_pca, pca_coefficients_of
from arcinvert.knowledge.nearest_neighbours import COEFFICIENTS, TEMPERATURE, Gathered, NearestNeighbours
from arcinvert.knowledge.whitening import whitening_of

DIM = 8


def public_faces(count: int) -> NearestNeighbours:
    """Templates by chance; face number n is one unit along the nth eigenface."""
    templates = F.normalize(torch.randn(count, DIM, generator=torch.Generator().manual_seed(1)))
    return NearestNeighbours(templates, torch.eye(COEFFICIENTS)[:count])


def symmetric(coordinates: Tensor) -> Tensor:
    faces = faces_of(coordinates)
    return ((faces + faces.flip(-1)) / 2).clamp(0, 1)


def test_coordinates_of_faces_of_coordinates() -> None:
    count = len(load_face_pca()[2])
    coordinates = torch.randn(3, count, generator=torch.Generator().manual_seed(0))
    # Directions are stored in half precision, so that they are orthonormal to 1e-3 alone.
    torch.testing.assert_close(pca_coefficients_of(faces_of(coordinates)), coordinates, rtol=0, atol=0.05)
    torch.testing.assert_close(faces_of(torch.zeros(1, count))[0], load_face_pca()[0])


def test_the_first_coordinates_alone() -> None:
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    first = pca_coefficients_of(images, 7)
    torch.testing.assert_close(first, pca_coefficients_of(images)[:, :7], rtol=1e-4, atol=1e-4)
    rest = torch.zeros(2, len(load_face_pca()[2]) - 7)
    torch.testing.assert_close(faces_of(first), faces_of(torch.cat([first, rest], 1)), rtol=0, atol=1e-4)


def test_the_nearest_alone_is_itself() -> None:
    faces = public_faces(40)
    asked = F.normalize(faces.templates[[7, 30]] + 0.01)
    torch.testing.assert_close(faces.guess(asked, nearest=1), symmetric(faces.coordinates[[7, 30]]))


@pytest.mark.parametrize("whiten", [True, False])
def test_nearer_ones_weigh_more(whiten: bool) -> None:
    faces = public_faces(40)
    asked = faces.templates[[3]]
    whitened = whitening_of(faces.templates)(faces.templates) if whiten else faces.templates
    cosines = [float(whitened[3] @ template) for template in whitened]
    order = sorted(range(40), key=lambda place: -cosines[place])[:3]
    assert order[0] == 3
    weights = torch.tensor([math.exp(cosines[place] / TEMPERATURE) for place in order])
    mean = (weights / weights.sum()) @ faces.coordinates[order]
    torch.testing.assert_close(faces.guess(asked, nearest=3, whiten=whiten), symmetric(mean[None]))


def test_a_wide_direction_does_not_choose_the_nearest() -> None:
    """Asked is like the first face but for the direction along which all templates lie widely."""
    generator = torch.Generator().manual_seed(2)
    spread = torch.tensor([8.0, *[1.0] * (DIM - 1)])
    templates = torch.randn(200, DIM, generator=generator) * spread
    asked = templates[:1].clone()
    asked[:, 0] += 6
    faces = NearestNeighbours(F.normalize(templates), torch.eye(COEFFICIENTS)[:200])
    found = faces.guess(F.normalize(asked), nearest=1)
    plain = faces.guess(F.normalize(asked), nearest=1, whiten=False)
    torch.testing.assert_close(found, symmetric(faces.coordinates[:1]))
    assert not torch.allclose(plain, symmetric(faces.coordinates[:1]))


def test_few_faces_are_all_there_are() -> None:
    faces = public_faces(2)
    torch.testing.assert_close(
        faces.guess(faces.templates, nearest=10), faces.guess(faces.templates, nearest=2)
    )


def test_a_guess_is_symmetric_and_in_half_precision_nearly_the_same() -> None:
    faces = public_faces(40)
    guess = faces.guess(faces.templates[:5])
    torch.testing.assert_close(guess, guess.flip(-1))
    assert guess.shape == (5, 3, *load_face_pca()[0].shape[1:])
    kept = NearestNeighbours(faces.templates.half(), faces.coordinates.half())
    torch.testing.assert_close(kept.guess(faces.templates[:5]), guess, atol=2e-3, rtol=0)


def test_a_face_and_its_mirror_image_share_a_template() -> None:
    gathered, images = Gathered(), torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    one, other = F.normalize(torch.eye(3, DIM)), F.normalize(torch.eye(3, DIM).roll(1, 1))
    gathered.add(one, other, images)
    gathered.add(one[:1], one[:1], images[:1])
    faces = gathered.all()
    assert len(faces) == 4
    torch.testing.assert_close(faces.templates[:3].float(), (one + other) / math.sqrt(2), atol=1e-3, rtol=0)
    assert torch.equal(faces.templates[3], one[0].half())
    torch.testing.assert_close(faces.coordinates[3], faces.coordinates[0])
    torch.testing.assert_close(
        faces.coordinates[:3].float(), pca_coefficients_of(images, COEFFICIENTS), atol=1e-2, rtol=1e-3
    )


@pytest.mark.parametrize("part", ["templates", "coordinates"])
def test_soundness(part: str) -> None:
    parts = {"templates": torch.zeros(3, DIM), "coordinates": torch.zeros(3, COEFFICIENTS)}
    assert NearestNeighbours(**parts).is_valid()
    assert not NearestNeighbours(**{**parts, part: parts[part][:-1]}).is_valid()
    assert not NearestNeighbours(**{**parts, part: parts[part] / 0}).is_valid()
    assert not NearestNeighbours(**{name: value[:0] for name, value in parts.items()}).is_valid()
    assert not NearestNeighbours(parts["templates"], parts["coordinates"][:, :-1]).is_valid()
