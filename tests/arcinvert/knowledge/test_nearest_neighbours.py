"""Nearest public faces, against means that are computed by hand."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.knowledge.face_pca import faces_of, load_face_pca, pca_coefficients_of
from arcinvert.knowledge.nearest_neighbours import (
    COEFFICIENTS,
    TEMPERATURE,
    NearestNeighbours,
    NeighbourCollector,
)
from arcinvert.knowledge.whitening import whitening_of

DIM = 8


def public_faces(count: int) -> NearestNeighbours:
    """Return random templates; face number n is one unit along the nth principal component."""
    templates = F.normalize(torch.randn(count, DIM, generator=torch.Generator().manual_seed(1)))
    return NearestNeighbours(templates, torch.eye(COEFFICIENTS)[:count])


def symmetric(coefficients: Tensor) -> Tensor:
    faces = faces_of(coefficients)
    return ((faces + faces.flip(-1)) / 2).clamp(0, 1)


def test_the_nearest_alone_is_itself() -> None:
    faces = public_faces(40)
    given = F.normalize(faces.templates[[7, 30]] + 0.01)
    torch.testing.assert_close(faces.mean_faces(given, nearest=1), symmetric(faces.pca_coefficients[[7, 30]]))


@pytest.mark.parametrize("whiten", [True, False])
def test_nearer_ones_weigh_more(whiten: bool) -> None:
    faces = public_faces(40)
    given = faces.templates[[3]]
    whitened = whitening_of(faces.templates)(faces.templates) if whiten else faces.templates
    cosines = [float(whitened[3] @ template) for template in whitened]
    order = sorted(range(40), key=lambda index: -cosines[index])[:3]
    assert order[0] == 3
    weights = torch.tensor([math.exp(cosines[index] / TEMPERATURE) for index in order])
    mean = (weights / weights.sum()) @ faces.pca_coefficients[order]
    torch.testing.assert_close(faces.mean_faces(given, nearest=3, whiten=whiten), symmetric(mean[None]))


def test_a_wide_direction_does_not_choose_the_nearest() -> None:
    """The template is the first face's but for the direction in which all templates vary most."""
    generator = torch.Generator().manual_seed(2)
    spread = torch.tensor([8.0, *[1.0] * (DIM - 1)])
    templates = torch.randn(200, DIM, generator=generator) * spread
    given = templates[:1].clone()
    given[:, 0] += 6
    faces = NearestNeighbours(F.normalize(templates), torch.eye(COEFFICIENTS)[:200])
    found = faces.mean_faces(F.normalize(given), nearest=1)
    plain = faces.mean_faces(F.normalize(given), nearest=1, whiten=False)
    torch.testing.assert_close(found, symmetric(faces.pca_coefficients[:1]))
    assert not torch.allclose(plain, symmetric(faces.pca_coefficients[:1]))


def test_of_few_faces_all_are_averaged() -> None:
    faces = public_faces(2)
    torch.testing.assert_close(
        faces.mean_faces(faces.templates, nearest=10), faces.mean_faces(faces.templates, nearest=2)
    )


def test_mean_faces_are_symmetric_and_nearly_the_same_in_half_precision() -> None:
    faces = public_faces(40)
    means = faces.mean_faces(faces.templates[:5])
    torch.testing.assert_close(means, means.flip(-1))
    assert means.shape == (5, 3, *load_face_pca()[0].shape[1:])
    kept = NearestNeighbours(faces.templates.half(), faces.pca_coefficients.half())
    torch.testing.assert_close(kept.mean_faces(faces.templates[:5]), means, atol=2e-3, rtol=0)


def test_a_face_and_its_mirror_image_share_a_template() -> None:
    collector, images = (
        NeighbourCollector(),
        torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)),
    )
    one, other = F.normalize(torch.eye(3, DIM)), F.normalize(torch.eye(3, DIM).roll(1, 1))
    collector.add(one, other, images)
    collector.add(one[:1], one[:1], images[:1])
    faces = collector.result()
    assert len(faces) == 4
    torch.testing.assert_close(faces.templates[:3].float(), (one + other) / math.sqrt(2), atol=1e-3, rtol=0)
    assert torch.equal(faces.templates[3], one[0].half())
    torch.testing.assert_close(faces.pca_coefficients[3], faces.pca_coefficients[0])
    torch.testing.assert_close(
        faces.pca_coefficients[:3].float(), pca_coefficients_of(images, COEFFICIENTS), atol=1e-2, rtol=1e-3
    )


@pytest.mark.parametrize("part", ["templates", "pca_coefficients"])
def test_parts_that_do_not_fit_are_refused(part: str) -> None:
    parts = {"templates": torch.zeros(3, DIM), "pca_coefficients": torch.zeros(3, COEFFICIENTS)}
    NearestNeighbours(**parts).validate()
    for damaged in (
        {**parts, part: parts[part][:-1]},
        {**parts, part: parts[part] / 0},
        {name: value[:0] for name, value in parts.items()},
        {**parts, "pca_coefficients": parts["pca_coefficients"][:, :-1]},
    ):
        with pytest.raises(ValueError, match=r"^nearest neighbours$"):
            NearestNeighbours(**damaged).validate()
