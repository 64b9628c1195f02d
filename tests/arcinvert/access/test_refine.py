"""Refinement by an evolution strategy, against an answer whose best image is known."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from arcinvert.access.meter import BudgetSpentError
from arcinvert.access.refine import COEFFICIENTS, changed, refine
from arcinvert.knowledge.face_pca import load_face_pca, pca_coefficients_of

pytest.importorskip("cmaes")


class Nearness:
    """Answers how near the first coefficients of an image are to wanted ones."""

    def __init__(self, budget: int) -> None:
        self.wanted = torch.from_numpy(np.random.default_rng(0).normal(size=COEFFICIENTS) * 0.3).float()
        self.left = self.most = budget

    def __call__(self, images: Tensor) -> NDArray[np.float64]:
        if len(images) > self.left:
            raise BudgetSpentError(len(images), self.left)
        self.left -= len(images)
        distances = (pca_coefficients_of(images, COEFFICIENTS) - self.wanted).square().sum(1)
        return np.asarray((-distances / COEFFICIENTS).double().numpy())


def start() -> Tensor:
    mean = load_face_pca()[0]
    return torch.nn.functional.interpolate(mean[None], 112, mode="bilinear")[0].clamp(0, 1)


def test_it_goes_towards_the_best_image_within_its_queries() -> None:
    ask = Nearness(200)
    found = refine(start(), ask, 200, seed=0, person="ann")
    assert 180 < ask.most - ask.left <= 200
    before, after = Nearness(2)(torch.stack([start(), found]))
    assert after > 0.6 * before > before
    assert 0 <= float(found.min()) <= float(found.max()) <= 1


def test_it_follows_from_seed_and_person() -> None:
    first, again, other = (
        refine(start(), Nearness(150), 150, seed=0, person=person) for person in ("ann", "ann", "bob")
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("queries", [0, 1, 5])
def test_few_queries_keep_the_image(queries: int) -> None:
    ask = Nearness(queries)
    assert torch.equal(refine(start(), ask, queries, seed=0, person="ann"), start())
    assert ask.left == queries - min(queries, 1)


def test_a_budget_that_ends_early_keeps_the_best() -> None:
    ask = Nearness(50)
    found = refine(start(), ask, 200, seed=0, person="ann")
    before, after = Nearness(2)(torch.stack([start(), found]))
    assert after >= before


def test_no_change_changes_nothing() -> None:
    unchanged = changed(start(), np.zeros((2, COEFFICIENTS)))
    torch.testing.assert_close(unchanged, start().expand(2, -1, -1, -1))
