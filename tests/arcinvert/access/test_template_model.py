"""Templates from scores and decisions, where scores are linear in the surrogate's embeddings."""

import numpy as np
import pytest
from numpy.typing import NDArray

from arcinvert.access.meter import BudgetSpentError
from arcinvert.access.scores import estimate_by_scores
from arcinvert.access.template_model import TemplateModel
from tests.arcinvert.access.linear import DIM, Floats, person, scores_of, unit


@pytest.mark.parametrize("number", range(3))
def test_exact_scores_give_the_template(model: TemplateModel, public: Floats, number: int) -> None:
    template = person(number)
    found = model.from_scores(model.whitened(public), scores_of(model, public, template))
    assert found.template @ template > 0.99
    assert found.explained == 0.97
    np.testing.assert_allclose(
        found.predicted(model.whitened(public)), scores_of(model, public, template), atol=0.01
    )


def test_scores_equal_the_posterior_of_the_linear_model(model: TemplateModel, public: Floats) -> None:
    """The same estimate as by the normal equations of ridge regression, at the chosen strength."""
    shown = public[:40]
    template = person(0)
    scores = scores_of(model, shown, template) + np.random.default_rng(0).normal(size=40) * 0.02
    whitened = model.whitened(shown)
    found = model.from_scores(whitened, scores)
    centred = model.whitened(public)
    prior = np.cov(centred.T)
    typical = float(np.einsum("nd,de,ne->n", whitened, prior, whitened).mean())
    strength = found.explained * scores.var() / typical
    rows = np.concatenate([whitened, np.ones((40, 1))], 1)
    covariance = np.zeros((DIM + 1, DIM + 1))
    covariance[:DIM, :DIM], covariance[DIM, DIM] = strength * prior, 0.01
    precision = np.linalg.inv(covariance) + rows.T @ rows / ((1 - found.explained) * scores.var())
    missing = scores - scores.mean()
    weights = np.linalg.solve(precision, rows.T @ missing / ((1 - found.explained) * scores.var()))
    assert unit(weights[:DIM]) @ unit(found.weights) > 0.999


def test_one_decimal_says_less_but_its_interval_is_used(model: TemplateModel, public: Floats) -> None:
    template, rows = person(1), model.whitened(public)
    # So strong that scores fill several steps of a tenth.
    exact = 10 * scores_of(model, public, template)
    rounded = np.round(exact, 1)
    whole, coarse = (
        model.from_scores(rows, given, decimals) for given, decimals in ((exact, None), (rounded, 1))
    )
    assert 0.95 < coarse.template @ template <= whole.template @ template + 1e-3


def test_scores_of_one_value_say_nothing(model: TemplateModel, public: Floats) -> None:
    found = model.from_scores(model.whitened(public[:20]), np.zeros(20), 1)
    mean = unit(public.mean(0))
    assert np.isfinite(found.template).all()
    assert found.template @ mean > 0.9


def test_the_chosen_face_is_the_one_that_says_most(model: TemplateModel, public: Floats) -> None:
    """Against brute force: the trace of the posterior covariance after each possible next face."""
    whitened = model.whitened(public[:30])
    prior = np.cov(model.whitened(public).T)
    explained, shown = 0.4, np.array([3, 8])
    noise = (1 - explained) / explained * float(np.einsum("nd,de,ne->n", whitened, prior, whitened).mean())

    def trace(rows: list[int]) -> float:
        precision = np.linalg.inv(prior) + whitened[rows].T @ whitened[rows] / noise
        return float(np.trace(np.linalg.inv(precision)))

    rows = shown.tolist()
    for found in model.most_informative(whitened, shown, 4, explained).tolist():
        left = [one for one in range(30) if one not in rows]
        best = min(left, key=lambda one: trace([*rows, one]))
        assert trace([*rows, found]) == pytest.approx(trace([*rows, best]), rel=1e-3)
        rows.append(found)
    assert len(set(rows)) == 6


def test_chosen_faces_stay_in_the_budget_and_find_the_person(model: TemplateModel, public: Floats) -> None:
    template, whitened = person(2), model.whitened(public)
    scores = scores_of(model, public, template)
    asked: list[int] = []

    def ask(rows: NDArray[np.intp]) -> Floats:
        asked.extend(rows.tolist())
        return scores[rows]

    found = estimate_by_scores(model, whitened, ask, 30)
    assert len(asked) == len(set(asked)) == 30
    assert found.shown.tolist() == asked
    assert found.estimate.template @ template > 0.98


def test_no_more_faces_are_shown_than_there_are(model: TemplateModel, public: Floats) -> None:
    scores = scores_of(model, public, person(0))
    found = estimate_by_scores(model, model.whitened(public[:25]), lambda rows: scores[rows], 100)
    assert sorted(found.shown.tolist()) == list(range(25))


def test_a_budget_that_ends_early_keeps_what_was_answered(model: TemplateModel, public: Floats) -> None:
    scores = scores_of(model, public, person(0))
    left = 20

    def ask(rows: NDArray[np.intp]) -> Floats:
        nonlocal left
        if len(rows) > left:
            raise BudgetSpentError(len(rows), left)
        left -= len(rows)
        return scores[rows]

    found = estimate_by_scores(model, model.whitened(public), ask, 30)
    assert 0 < len(found.answers) == len(found.shown) <= 20
    left = 0
    with pytest.raises(BudgetSpentError):
        estimate_by_scores(model, model.whitened(public), ask, 30)


def test_decisions_give_the_direction(model: TemplateModel, public: Floats) -> None:
    template = person(0)
    whitened = model.whitened(public)
    scores = scores_of(model, public, template)
    accepted = (scores >= np.quantile(scores, 0.95)).astype(float)
    found = model.from_decisions(whitened[:200], accepted[:200])
    assert found.template @ template > 0.5
    # Half of them accepted: each says the most.
    accepted = (scores >= np.median(scores)).astype(float)
    even = model.from_decisions(whitened[:200], accepted[:200])
    assert even.template @ template > max(0.9, found.template @ template)


def test_an_origin_whose_score_the_surrogate_misjudges_is_recognised(
    model: TemplateModel, public: Floats
) -> None:
    """Its mixtures share its error, which without origins looks like a property of the person."""
    template, shares = person(0), np.full(200, 0.5)
    origin, others = public[0], public[200:]
    mixed = 0.5 * origin + 0.5 * others
    deviation = float(scores_of(model, public, template).std())
    scores = scores_of(model, mixed, template) - 0.5 * 4 * deviation
    # The threshold, which the first faces determine, is the median of what mixtures would score without it.
    threshold = float(np.median(scores_of(model, mixed, template)))
    first = (scores_of(model, public[:200], template) >= threshold).astype(float)
    answers = np.concatenate([first, (scores >= threshold - deviation).astype(float)])
    whitened = model.whitened(np.concatenate([public[:200], mixed]))
    origins = np.concatenate([np.full(200, -1), np.zeros(200, dtype=np.intp)])
    shared = model.from_decisions(whitened, answers, origins, np.concatenate([np.ones(200), shares]))
    apart = model.from_decisions(whitened, answers)
    assert shared.template @ template > 0.9
    assert shared.template @ template > apart.template @ template


def test_scores_that_were_answered_count_though_the_budget_ends(model: TemplateModel, public: Floats) -> None:
    template, whitened = person(1), model.whitened(public)
    scores = scores_of(model, public, template)
    left = 33

    def ask(rows: NDArray[np.intp]) -> Floats:
        nonlocal left
        answered = np.asarray(scores[rows[:left]])
        left -= len(answered)
        if len(answered) < len(rows):
            error = BudgetSpentError(len(rows), left)
            error.answers = answered
            raise error
        return answered

    found = estimate_by_scores(model, whitened, ask, 40)
    assert (len(found.shown), len(found.answers)) == (33, 33)
    np.testing.assert_array_equal(found.answers, scores[found.shown])
