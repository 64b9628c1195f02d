"""Posterior means against brute force: many draws of the prior, weighted by what is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from arcinvert.audit.defences.base import Adversary, unit_norm
from arcinvert.audit.defences.polyprotect import PolyProtect
from arcinvert.knowledge.template_posterior import known_directions, known_intervals, known_values
from arcinvert.knowledge.template_prior import TemplatePrior, fit_prior

Floats = NDArray[np.float64]

PRIOR = TemplatePrior(
    np.array([0.3, -0.2, 0.1]), np.array([[1.0, 0.7, -0.3], [0.7, 0.8, 0.1], [-0.3, 0.1, 0.6]])
)
ROWS = np.array([[0.6, 0.8, 0.0], [0.0, 0.6, -0.8], [1.0, 1.0, 1.0], [0.5, -1.0, 0.2]])


@pytest.fixture(scope="module")
def draws() -> Floats:
    return np.random.default_rng(0).multivariate_normal(PRIOR.mean, PRIOR.covariance, size=2_000_000)


@pytest.mark.parametrize("count", [2, 4])
def test_known_values_by_weighted_draws(count: int, draws: Floats) -> None:
    rows, values, variance = ROWS[:count], np.array([0.5, -0.4, 1.1, 0.3])[:count], 0.2
    weights = np.exp(-((draws @ rows.T - values) ** 2).sum(1) / (2 * variance))
    naive = weights @ draws / weights.sum()
    assert known_values(PRIOR, rows, values[None], variance)[0] == pytest.approx(naive, abs=0.01)


@pytest.mark.parametrize("variance", [0.0, 0.3])
def test_known_directions_by_draws_of_that_direction(variance: float, draws: Floats) -> None:
    rows, direction = ROWS[:2], unit_norm(np.array([[0.7, -0.4]]))
    noise = np.random.default_rng(1).normal(scale=np.sqrt(variance), size=(len(draws), 2))
    kept = (unit_norm(draws @ rows.T + noise) @ direction[0]) > np.cos(0.02)
    assert kept.sum() > 3000
    # Whatever the length that it is stored with.
    for length in (1.0, 3.7):
        found = known_directions(PRIOR, rows, length * direction, variance)[0]
        assert found == pytest.approx(draws[kept].mean(0), abs=0.03)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_known_intervals_by_draws_inside(count: int, draws: Floats) -> None:
    rows = ROWS[:count]
    low = np.array([0.0, -np.inf, 0.5, -0.6])[:count]
    high = np.array([np.inf, 0.2, 1.5, 0.9])[:count]
    values = draws @ rows.T
    inside = ((values > low) & (values < high)).all(1)
    found = known_intervals(PRIOR, rows, low[None], high[None])[0]
    # Expectation propagation is exact for one interval, and an approximation for more.
    assert found == pytest.approx(draws[inside].mean(0), abs=0.005 if count == 1 else 0.02)


@pytest.mark.parametrize(
    "ends",
    [(-0.1, 0.1), (2.0, np.inf), (7.0, np.inf), (-np.inf, -7.0), (0.2, 0.2001), (6.0, 6.5), (9.0, 9.00001)],
)
def test_one_interval_by_numerical_integration(ends: tuple[float, float]) -> None:
    low, high = ends
    points = np.linspace(max(low, -15), min(high, 15), 200_001)
    weights = np.exp(-(points**2 - np.min(points**2)) / 2)
    prior = TemplatePrior(np.zeros(1), np.eye(1))
    found = known_intervals(prior, np.eye(1), np.array([[low]]), np.array([[high]]))[0, 0]
    assert found == pytest.approx((weights @ points) / weights.sum(), abs=2e-4)


def test_signs_in_many_dimensions_by_gibbs_sampling() -> None:
    generator = np.random.default_rng(3)
    dim = 12
    factors = generator.normal(size=(dim, 3))
    covariance = factors @ factors.T + 0.2 * np.eye(dim)
    template = generator.multivariate_normal(np.zeros(dim), covariance)
    signs, precision = np.sign(template), np.linalg.inv(covariance)
    # A Gibbs sampler (Kotecha and Djuric, ICASSP 1999): each number in turn, by rejection.
    states = np.tile(np.abs(template) * signs, (400, 1))
    total, kept = np.zeros(dim), 0
    for sweep in range(300):
        for index in range(dim):
            spread = precision[index, index] ** -0.5
            centre = states[:, index] - spread**2 * (states @ precision[index])
            draw = centre + spread * generator.normal(size=(40, len(states)))
            fits = np.sign(draw) == signs[index]
            first = fits.argmax(0)
            states[:, index] = np.where(fits.any(0), draw[first, np.arange(len(states))], states[:, index])
        if sweep >= 50:
            total, kept = total + states.mean(0), kept + 1
    low, high = np.where(signs > 0, 0.0, -np.inf), np.where(signs > 0, np.inf, 0.0)
    prior = TemplatePrior(np.zeros(dim), covariance)
    found = known_intervals(prior, np.eye(dim), low[None], high[None])[0]
    assert found == pytest.approx(total / kept, abs=0.05)


@pytest.mark.parametrize("key", range(6))
def test_polyprotect_by_draws_that_give_the_record(key: int) -> None:
    generator = np.random.default_rng(9)
    factors = generator.normal(size=(5, 5))
    covariance = 0.03 * (factors @ factors.T / 5 + 0.2 * np.eye(5))
    mean = unit_norm(generator.normal(size=(1, 5)))[0] / 2
    public = generator.multivariate_normal(mean, covariance, size=500)
    defence = PolyProtect(0)
    record = defence.protect(generator.multivariate_normal(mean, covariance, size=1), [key])
    prior = fit_prior(public, 5)
    draws = generator.multivariate_normal(prior.mean, prior.covariance, size=1_000_000)
    kept = np.abs(defence.protect(draws, [key] * len(draws)) - record)[:, 0] < 0.1
    assert kept.sum() > 500
    naive = unit_norm(draws[kept].mean(0)[None])[0]
    found = defence.recover(record, [key], Adversary(5, public))[0]
    assert found @ naive > 0.995
    # The record is used: its polynomials tell more than the prior's mean.
    assert found @ naive > unit_norm(prior.mean[None])[0] @ naive


def test_many_public_templates_give_their_mean_and_covariance() -> None:
    generator = np.random.default_rng(2)
    public = generator.multivariate_normal(PRIOR.mean, PRIOR.covariance, size=20_000)
    prior = fit_prior(public, 3)
    assert prior.mean == pytest.approx(PRIOR.mean, abs=0.03)
    assert prior.covariance == pytest.approx(PRIOR.covariance, abs=0.03)


@pytest.mark.parametrize("faces", [0, 1, 9])
def test_few_public_templates_are_not_used(faces: int) -> None:
    prior = fit_prior(np.ones((faces, 4)) / 2, 4)
    assert np.array_equal(prior.mean, np.zeros(4))
    assert np.array_equal(prior.covariance, np.eye(4) / 4)


def test_too_few_templates_for_a_covariance_are_shrunk() -> None:
    generator = np.random.default_rng(4)
    isotropic = unit_norm(generator.normal(size=(20, 64)))
    prior = fit_prior(isotropic, 64)
    assert np.linalg.norm(prior.mean) < 0.1
    assert prior.covariance == pytest.approx(np.eye(64) / 64, abs=0.002)
    # 40 templates of 64 dimensions, of which eight hold nearly everything: more than noise shows.
    narrow = unit_norm(generator.normal(size=(40, 64)) * np.where(np.arange(64) < 8, 1, 0.1))
    variances = np.diag(fit_prior(narrow, 64).covariance)
    assert variances[:8].mean() > 5 * variances[8:].mean()
    assert np.linalg.eigvalsh(fit_prior(narrow, 64).covariance).min() > 0


def test_copies_of_one_public_face_do_no_harm() -> None:
    prior = fit_prior(np.tile(unit_norm(np.ones((1, 4))), (12, 1)), 4)
    assert np.isfinite(prior.mean).all()
    assert np.isfinite(known_directions(prior, np.eye(4)[:2], np.ones((1, 2)), variance=0.0)).all()


def test_class_centres_give_the_covariance_and_faces_the_mean() -> None:
    generator = np.random.default_rng(5)
    public = generator.multivariate_normal(PRIOR.mean, PRIOR.covariance, size=40)
    centres = generator.multivariate_normal(-2 * PRIOR.mean, PRIOR.covariance, size=20_000)
    prior = fit_prior(public, 3, centres)
    assert prior.covariance == pytest.approx(PRIOR.covariance, abs=0.03)
    # Between both means, and near that of the faces.
    nearness = np.linalg.norm(prior.mean - public.mean(0)) / np.linalg.norm(public.mean(0))
    assert 0 < nearness < 0.2
    for few in (public[:0], public[:1], np.tile(public[:1], (12, 1))):
        alone = fit_prior(few, 3, centres)
        assert alone.mean == pytest.approx(-2 * PRIOR.mean, abs=0.03)
        assert alone.covariance == pytest.approx(PRIOR.covariance, abs=0.03)


def test_few_class_centres_are_not_used_alone() -> None:
    centres = unit_norm(np.random.default_rng(6).normal(size=(9, 4)))
    prior = fit_prior(np.zeros((0, 4)), 4, centres)
    assert np.array_equal(prior.covariance, np.eye(4) / 4)
    assert not prior.mean.any()
