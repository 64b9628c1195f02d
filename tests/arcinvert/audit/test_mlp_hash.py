"""MLP-Hash, and noise on values that are known by intervals."""

import numpy as np
import pytest
from numpy.typing import NDArray

from arcinvert.audit.defences.base import Adversary, unit_norm
from arcinvert.audit.defences.mlp_hash import MlpHash
from arcinvert.knowledge.template_posterior import known_intervals
from arcinvert.knowledge.template_prior import TemplatePrior

Floats = NDArray[np.float64]


def people(dim: int = 24) -> tuple[Floats, Floats]:
    """Six attacked templates and two hundred public ones, which vary along few directions."""
    generator = np.random.default_rng(0)
    scales = 0.8 ** np.arange(dim)
    rows = unit_norm(generator.normal(size=(206, dim)) * scales + 0.3 * scales)
    return rows[:6], rows[6:]


@pytest.mark.parametrize(("strength", "bits"), [(0.5, 12), (1.0, 24), (2.0, 48)])
def test_the_perceptron_by_loops(strength: float, bits: int) -> None:
    templates, _ = people()
    defence = MlpHash(strength)
    weights = defence.weights(3, 24)
    assert [layer.shape for layer in weights] == [(48, 24), (48, 48), (48, 48), (bits, 48)]
    for layer in weights:
        smaller = layer @ layer.T if len(layer) <= layer.shape[1] else layer.T @ layer
        assert smaller == pytest.approx(np.eye(len(smaller)), abs=1e-9)
    features = templates[0].tolist()
    for number, layer in enumerate(weights):
        features = [sum(w * x for w, x in zip(row, features, strict=True)) for row in layer.tolist()]
        if number < 3:
            features = [max(value, 0.0) for value in features]
    wanted = [1 if value > sum(features) / len(features) else -1 for value in features]
    record = defence.protect(templates[:1], [3])[0]
    assert np.sign(record).tolist() == wanted
    assert np.linalg.norm(record) == pytest.approx(1)


def test_the_adversary_beats_a_search_without_a_prior() -> None:
    templates, public = people()
    defence, keys = MlpHash(), list(range(6))
    protected = defence.protect(templates, keys)
    estimates = defence.recover(protected, keys, Adversary(24, public))
    recovered = (estimates * templates).sum(1).mean()
    mean = (unit_norm(public.mean(0)[None]) * templates).sum(1).mean()
    # The published attack searches for any template of these bits: the best of many random ones here.
    tries = unit_norm(np.random.default_rng(1).normal(size=(4000, 24)))
    found = []
    for key, record, template in zip(keys, protected, templates, strict=True):
        agreement = (defence.protect(tries, [key] * len(tries)) * record).sum(1)
        found.append(tries[agreement.argmax()] @ template)
    assert recovered > np.mean(found) + 0.1
    assert recovered > mean + 0.1


def test_noisy_intervals_by_draws() -> None:
    prior = TemplatePrior(np.array([0.3, -0.2]), np.array([[1.0, 0.6], [0.6, 0.8]]))
    rows, noise = np.array([[1.0, 0.5], [0.2, -1.0]]), np.array([0.5, 0.1])
    low, high = np.array([[0.2, -np.inf]]), np.array([[np.inf, 0.4]])
    generator = np.random.default_rng(0)
    draws = generator.multivariate_normal(prior.mean, prior.covariance, size=1_000_000)
    values = draws @ rows.T + generator.normal(size=(len(draws), 2)) * np.sqrt(noise)
    inside = ((values > low) & (values < high)).all(1)
    found = known_intervals(prior, rows, low, high, noise=noise)[0]
    assert found == pytest.approx(draws[inside].mean(0), abs=0.01)
    # Little noise is no noise.
    exact = known_intervals(prior, rows, low, high)
    assert known_intervals(prior, rows, low, high, noise=np.full(2, 1e-12)) == pytest.approx(exact, abs=1e-5)
