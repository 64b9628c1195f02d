"""Attacks by decisions in a linear world: what is shown, and what the answers say."""

import numpy as np
import torch
from numpy.typing import NDArray

from arcinvert.access.decisions import DecisionAttack, covering_order, crossing
from arcinvert.access.meter import BudgetSpentError
from arcinvert.access.template_model import TemplateModel
from tests.arcinvert.access.linear import Floats, person, scores_of, unit


def test_the_first_faces_are_like_as_many_as_they_can_be() -> None:
    """One of each group, the largest group first, before a second of any."""
    # A hundredth of all pairs are of one group.
    groups = np.repeat(np.arange(150), [14, 10, 9, *[2] * 20, *[1] * 127])
    draw = np.random.default_rng(0)
    faces = unit(np.eye(150)[groups] + 0.01 * draw.normal(size=(200, 150)))
    order = covering_order(faces)
    assert sorted(order) == list(range(len(faces)))
    assert groups[order[:3]].tolist() == [0, 1, 2]


def test_a_crossing_is_where_the_expected_score_is_zero() -> None:
    half = np.array([0.5, -0.5, 0.5, 0.25, -1e-9])
    last = np.array([-0.5, -2.0, 0.25, -0.75, -1.0])
    # Halfway from an equal mixture; before it; nowhere; a quarter of the second half; at the equal mixture.
    np.testing.assert_allclose(crossing(1.0, half, last), [0.75, 1 / 3, 0.98, 0.625, 0.5], atol=1e-6)
    # An origin that is expected to be refused: next to it.
    np.testing.assert_allclose(crossing(-1.0, half, last), 0.02)


class _World:
    """Images of one row of numbers each, whose embeddings are these numbers: everything is linear."""

    def __init__(self, model: TemplateModel, public: Floats, template: Floats, share: float) -> None:
        self.model, self.public, self.template = model, public, template
        self.threshold = float(np.quantile(scores_of(model, public, template), 1 - share))
        self.left = 0
        #: What every reconstruction is; None for the estimate itself.
        self.reconstruction: Floats | None = None

    def images(self, rows: NDArray[np.integer]) -> torch.Tensor:
        return torch.from_numpy(self.public[rows])[:, None, None]

    def embed(self, images: torch.Tensor) -> Floats:
        return np.asarray(images[:, 0, 0].numpy())

    def reconstruct(self, template: Floats) -> torch.Tensor:
        made = template if self.reconstruction is None else self.reconstruction
        return torch.from_numpy(made)[None, None, None]

    def ask(self, images: torch.Tensor) -> Floats:
        if len(images) > self.left:
            raise BudgetSpentError(len(images), self.left)
        self.left -= len(images)
        scores = scores_of(self.model, self.embed(images), self.template)
        return np.asarray((scores >= self.threshold).astype(float))

    def attack(self, budget: int, seed: int = 0) -> DecisionAttack:
        self.left = budget
        return DecisionAttack(
            self.model,
            self.images,
            self.public,
            covering_order(self.public),
            self.ask,
            self.embed,
            self.reconstruct,
            lambda: self.left,
            seed=seed,
            person="ann",
        )


def test_an_attack_by_decisions_finds_the_person(model: TemplateModel, public: Floats) -> None:
    template = person(1)
    world = _World(model, public, template, share=0.02)
    found = world.attack(2000).run()
    assert found.estimate is not None
    assert found.mixtures > 1000
    assert found.estimate.template @ template > 0.9
    assert world.left == 0
    again = world.attack(2000).run()
    assert again.estimate is not None
    np.testing.assert_array_equal(again.estimate.template, found.estimate.template)


def test_a_refused_reconstruction_is_not_mixed_with_others(model: TemplateModel, public: Floats) -> None:
    template = person(1)
    world = _World(model, public, template, share=0.02)
    world.reconstruction = template
    accepted = world.attack(2000).run()
    # In its place come faces with high expected scores, which are asked about first.
    world.reconstruction = np.zeros(len(template))
    refused = world.attack(2000).run()
    assert accepted.estimate is not None
    assert refused.estimate is not None
    assert refused.mixtures < accepted.mixtures - 25
    assert accepted.estimate.template @ template > 0.95
    assert refused.estimate.template @ template > 0.95


def test_a_round_that_the_budget_does_not_allow_is_smaller(model: TemplateModel, public: Floats) -> None:
    """Not lost: what is asked for is used."""
    world = _World(model, public, person(1), share=0.02)
    until = world.attack(10_000).run().until_accepted
    assert until is not None
    found = world.attack(until + 100).run()
    # One question is the reconstruction's; a batch of faces follows if it is refused.
    assert found.mixtures in (99, 74)
    assert world.left == 0


def test_where_all_are_refused_nothing_is_estimated(model: TemplateModel, public: Floats) -> None:
    world = _World(model, public, person(0), share=0.02)
    world.threshold = 1e9
    assert world.attack(10_000).run().estimate is None
    # Each face was shown once.
    assert world.left == 10_000 - len(public)


def test_where_all_are_accepted_the_attack_ends_with_the_budget(model: TemplateModel, public: Floats) -> None:
    world = _World(model, public, person(0), share=0.02)
    world.threshold = -1e9
    found = world.attack(500).run()
    assert found.estimate is not None
    assert np.isfinite(found.estimate.template).all()
    assert world.left == 0
