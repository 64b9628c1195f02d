"""Identities: their spread, and the angles that they keep to each other and to known people."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from arcinvert import InputError
from arcinvert.synthesis.identities import (
    SHRINKAGE,
    choose_spread,
    draw_identities,
    isotropic,
    nearest_cosines,
    smallest_angle,
    spread_of,
)
from tests.arcinvert.synthesis.networks import CLASSES, small_attacker


def naive_angles(rows: torch.Tensor, others: torch.Tensor) -> np.ndarray:
    """Return all angles in degrees by the law of cosines, from distances, which differ from dot products."""
    first, second = rows.double().numpy(), others.double().numpy()
    distances = np.array([[np.linalg.norm(one - other) for other in second] for one in first])
    return np.degrees(2 * np.arcsin(np.clip(distances / 2, 0, 1)))


def test_identities_are_as_far_apart_as_stated() -> None:
    known = F.normalize(torch.randn(30, 16, generator=torch.Generator().manual_seed(4)))
    found = draw_identities(isotropic(16), known, 40, angle=50, known_angle=55, seed=3)
    assert found.shape == (40, 16)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(40).double())
    between = naive_angles(found, found)[~np.eye(40, dtype=bool)]
    assert between.min() >= 50 - 1e-9
    assert between.min() < 55, "the angle is binding: without the check some would be nearer"
    to_known = naive_angles(found, known)
    assert to_known.min() >= 55 - 1e-9
    free = draw_identities(isotropic(16), known, 40, angle=0, known_angle=0, seed=3)
    assert naive_angles(free, known).min() < 55
    assert naive_angles(free, free)[~np.eye(40, dtype=bool)].min() < 50


def test_the_first_identities_of_two_numbers_are_the_same() -> None:
    spread, known = isotropic(12), torch.zeros(0, 12)
    few = draw_identities(spread, known, 5, angle=45, known_angle=60, seed=1)
    more = draw_identities(spread, known, 20, angle=45, known_angle=60, seed=1)
    torch.testing.assert_close(more[:5], few, rtol=0, atol=0)
    assert not torch.equal(draw_identities(spread, known, 5, angle=45, known_angle=60, seed=2), few)


def test_angles_that_cannot_be_kept_are_refused() -> None:
    # In a plane, at most four directions are 90 degrees apart.
    with pytest.raises(
        InputError, match=r"identities: expected 5 directions 90 degrees apart .* found [1-4]"
    ):
        draw_identities(isotropic(2), torch.zeros(0, 2), 5, angle=90, known_angle=0, seed=0)


def test_directions_have_the_mean_and_covariance_of_the_templates() -> None:
    generator = torch.Generator().manual_seed(0)
    scales = torch.tensor([0.5, 0.2, 0.1, 0.05])
    # Far from the origin, so that normalisation hardly matters and the moments can be compared.
    templates = torch.tensor([20.0, 0, 0, 0]) + torch.randn(5000, 4, generator=generator) * scales
    spread = spread_of(templates, "templates")
    noise = torch.randn(40_000, 4, generator=generator, dtype=torch.float64)
    drawn = spread.mean + noise @ spread.root
    wanted = np.cov(templates.double().numpy().T, bias=True)
    wanted += np.eye(4) * SHRINKAGE * np.trace(wanted) / 4
    np.testing.assert_allclose(drawn.mean(0), templates.mean(0), atol=0.02)
    np.testing.assert_allclose(np.cov(drawn.numpy().T), wanted, atol=0.01)
    directions = spread.draw(10, generator)
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(10).double())


def test_a_spread_is_chosen_by_what_the_network_has() -> None:
    attacker = small_attacker()
    recogniser, knowledge = attacker.recogniser, attacker.knowledge
    assert choose_spread("auto", recogniser, knowledge).source == f"{CLASSES} class centres"
    assert choose_spread("faces", recogniser, knowledge).source == "64 synthetic faces"
    assert choose_spread("isotropic", recogniser, knowledge).source == "isotropic"
    with pytest.raises(InputError, match="spread: expected a network with measured faces, got small"):
        choose_spread("faces", recogniser, knowledge.at("weights"))
    without = small_attacker(0)
    assert choose_spread("auto", without.recogniser, knowledge).source == "64 synthetic faces"
    assert choose_spread("auto", without.recogniser, knowledge.at("weights")).source == "isotropic"
    with pytest.raises(InputError, match="with class centres, got small; give --centres"):
        choose_spread("centres", without.recogniser, knowledge)


def test_nearest_cosines_and_the_smallest_angle_are_those_of_all_pairs() -> None:
    rows = F.normalize(torch.randn(50, 5, generator=torch.Generator().manual_seed(1)).double())
    others = F.normalize(torch.randn(9, 5, generator=torch.Generator().manual_seed(2)).double())
    wanted = [max(float(one @ other) for other in others) for one in rows]
    np.testing.assert_allclose(nearest_cosines(rows, others), wanted)
    assert nearest_cosines(rows, others[:0]).tolist() == [-1.0] * 50
    angles = [
        math.degrees(math.acos(float(rows[one] @ rows[other]))) for one in range(50) for other in range(one)
    ]
    assert smallest_angle(rows) == pytest.approx(min(angles))
    assert smallest_angle(rows[:1]) == 180
