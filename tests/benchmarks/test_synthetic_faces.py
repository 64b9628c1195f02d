"""Comparisons of synthetic faces with real ones, and the covariance of people, against plain computations."""

import pytest
import torch
import torch.nn.functional as F

from benchmarks.make_identity_directions import identity_covariance, symmetric_directions
from benchmarks.synthetic_faces import FMRS, GENERATORS, frechet_distance, privacy


def test_the_frechet_distance_of_independent_coordinates():
    points = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]], dtype=torch.float64)
    assert frechet_distance(points, points) == pytest.approx(0, abs=1e-9)
    moved = points * torch.tensor([3.0, 0.5]) + torch.tensor([1.0, -2.0])
    # (difference of means)^2 + (difference of standard deviations)^2 along each axis.
    variances = torch.tensor([2 / 3, 8 / 3])
    deviations = variances.sqrt() * torch.tensor([2.0, 0.5])
    expected = 5 + float(deviations.square().sum())
    assert frechet_distance(points, moved) == pytest.approx(expected, rel=1e-6)


def test_privacy_counts_pairs_beyond_strangers():
    real = F.normalize(torch.randn(60, 16, generator=torch.Generator().manual_seed(0)))
    # Each face of the first set is a person's own, and none of the second is like anybody.
    shares, highest, of_strangers = privacy(real[:20], real)
    assert highest == pytest.approx(1, abs=1e-6)
    assert all(share >= 1 / 60 - 1e-6 for share in shares)
    assert of_strangers < 0.99
    away = torch.zeros(5, 16)
    shares, highest, _ = privacy(away, real)
    assert (shares, highest) == ([0.0] * len(FMRS), 0.0)


def test_strangers_themselves_have_the_false_match_rate():
    generator = torch.Generator().manual_seed(0)
    real, others = (F.normalize(torch.randn(300, 32, generator=generator)) for _ in range(2))
    shares, _, _ = privacy(others, real)
    assert shares[0] == pytest.approx(FMRS[0], rel=0.2)


def test_the_covariance_of_people_is_that_of_two_photographs():
    generator = torch.Generator().manual_seed(0)
    people = [torch.randn(count, 3, generator=generator) for count in (1, 2, 4)]
    expected = torch.zeros(3, 3, dtype=torch.float64)
    for photographs in people[1:]:
        rows = photographs.double()
        pairs = [
            torch.outer(one, other) for i, one in enumerate(rows) for j, other in enumerate(rows) if i != j
        ]
        expected += torch.stack(pairs).mean(0) / 2
    found, count = identity_covariance(people)
    assert count == 2
    torch.testing.assert_close(found, expected)


def test_directions_leave_antisymmetric_components_out():
    covariance = torch.diag(torch.tensor([1.0, 9.0, 4.0, 2.0], dtype=torch.float64))
    symmetric = torch.tensor([True, False, True, True])
    variances, directions = symmetric_directions(covariance, symmetric, 2)
    assert variances.tolist() == [4, 2]
    assert directions.abs().tolist() == [[0, 0, 1, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize("name", GENERATORS)
def test_every_generator_makes_images(name):
    faces = GENERATORS[name](3, 20)
    assert faces.shape == (3, 3, 20, 20)
    assert 0 <= float(faces.min()) < float(faces.max()) <= 1
    assert torch.equal(faces, faces.flip(-1)) == (name != "gaussian")
