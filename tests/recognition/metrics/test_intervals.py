"""Intervals against loops, scipy and repetition: they hold the truth as often as they promise."""

import math

import numpy as np
import pytest
import scipy.stats

from recognition.errors import InputError
from recognition.metrics import intervals
from recognition.metrics.intervals import (
    bootstrap_weights,
    estimate,
    estimate_fmr,
    estimate_ratio,
    estimate_statistic,
    identity_means,
    share_intervals,
    student_quantile,
)


def tail_of(people: int) -> float:
    """The expanded percentile, by scipy."""
    return float(
        scipy.stats.norm.cdf(-math.sqrt(people / (people - 1)) * scipy.stats.t.ppf(0.975, people - 1))
    )


def test_identity_means():
    assert identity_means([1.0, 3.0, 10.0, 5.0], [4, 4, 2, 9]).tolist() == [10.0, 2.0, 5.0]
    assert identity_means([1.0, 3.0, 10.0], ["b", "b", "a"]).tolist() == [10.0, 2.0]


@pytest.mark.parametrize("freedom", [1, 2, 3, 7, 19, 100, 999, 5000])
def test_student_quantile(freedom):
    assert student_quantile(0.975, freedom) == pytest.approx(scipy.stats.t.ppf(0.975, freedom), rel=1e-3)


def test_an_interval_is_the_expanded_percentile_bootstrap():
    means = np.random.default_rng(7).random(12)
    found = estimate(means, range(12), seed=3)
    draws = np.random.default_rng(11).integers(0, 12, (20000, 12))
    naive = np.quantile(means[draws].mean(1), [tail_of(12), 1 - tail_of(12)])
    assert [found.low, found.high] == pytest.approx(naive, abs=0.02)
    assert found.value == pytest.approx(means.mean())


def test_columns_are_drawn_together():
    means = np.random.default_rng(0).random((9, 3))
    lows, highs = share_intervals(means, seed=2)
    for column in range(3):
        alone = estimate(means[:, column], range(9), seed=2)
        assert (lows[column], highs[column]) == pytest.approx((alone.low, alone.high))


def test_an_interval_without_variation_is_the_exact_one():
    assert estimate([False] * 20, range(20)).high == pytest.approx(1 - 0.025 ** (1 / 20))
    found = estimate([True] * 20, range(20))
    assert (found.low, found.high) == (pytest.approx(0.025 ** (1 / 20)), 1.0)
    # Numbers are no shares: a difference of 0 in everybody says nothing of a binomial bound.
    difference = estimate([0.0] * 20, range(20))
    assert (difference.low, difference.high) == (0.0, 0.0)


def test_an_estimate_averages_identities_not_comparisons():
    found = estimate([1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"])
    assert (found.value, found.identities, found.comparisons) == (0.5, 2, 4)
    assert (found.low, found.high) == (0.0, 1.0)
    pooled = estimate([True, True, True, False], ["a", "a", "a", "b"], pooled=True)
    assert (pooled.value, pooled.identities, pooled.comparisons) == (0.75, 2, 4)


def test_many_samples_of_one_identity_change_nothing():
    values, names = [0.2, 0.9, 0.4, 0.7], ["a", "b", "c", "d"]
    once = estimate(values, names)
    often = estimate(values + [0.9] * 500, names + ["b"] * 500)
    assert (often.value, often.low, often.high) == pytest.approx((once.value, once.low, once.high))


def test_the_order_of_samples_changes_nothing():
    values, names = [0.2, 0.9, 0.4, 0.7, 0.1], ["a", "b", "c", "d", "b"]
    assert vars(estimate(values[::-1], names[::-1])) == pytest.approx(vars(estimate(values, names)))


def test_one_identity_has_no_width():
    found = estimate([0.25, 0.75], ["a", "a"])
    assert (found.value, found.low, found.high, found.identities) == (0.5, 0.5, 0.5, 1)


def test_nothing_to_average():
    with pytest.raises(InputError, match="at least one comparison"):
        estimate([], [])


def test_many_identities_are_drawn_in_blocks(monkeypatch):
    values = np.random.default_rng(0).random(7)
    whole = estimate(values, range(7))
    monkeypatch.setattr(intervals, "BLOCK", 50)
    assert estimate(values, range(7)) == whole


@pytest.mark.parametrize(("people", "samples", "share"), [(20, 1, 0.4), (100, 1, 0.2), (60, 3, 0.5)])
def test_a_known_acceptance_rate_is_within_its_interval(people, samples, share):
    generator = np.random.default_rng(people)
    repeats, within = 200, 0
    for _ in range(repeats):
        # Some people are easier than others, with the given share on the whole.
        easy = generator.beta(4 * share, 4 * (1 - share), people)
        accepted = generator.random((people, samples)) < easy[:, None]
        found = estimate(accepted.ravel(), np.repeat(np.arange(people), samples))
        within += found.low <= share <= found.high
    assert within / repeats >= 0.93


def test_an_interval_is_no_wider_than_it_must_be():
    identities, share = 40, 0.6
    generator = np.random.default_rng(0)
    widths = []
    for _ in range(100):
        found = estimate(generator.random(identities) < share, range(identities))
        widths.append(found.high - found.low)
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.sqrt(share * (1 - share) / identities), rel=0.1)


def test_pooled_intervals_cover_the_truth_and_shrink_with_identities():
    generator = np.random.default_rng(0)
    widths = []
    for people in (20, 500):
        labels = np.repeat(np.arange(people), 4)
        hits = generator.random(4 * people) < 0.7
        found = estimate(hits, labels, pooled=True)
        assert found.low <= hits.mean() == found.value <= found.high
        widths.append(found.high - found.low)
    # The standard error falls with the root of the count: by 5.
    assert widths[0] / widths[1] == pytest.approx(5, rel=0.4)
    # Images of one person who agree are one observation.
    alike = np.repeat(generator.random(100) < 0.7, 4)
    found = estimate(alike, np.repeat(np.arange(100), 4), pooled=True)
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(0.7 * 0.3 / 100), rel=0.2)


def test_a_ratio_is_drawn_with_its_denominators():
    generator = np.random.default_rng(5)
    above, below = generator.random(15), 1 + generator.random(15)
    found = estimate_ratio(above, below, seed=1)
    draws = generator.integers(0, 15, (20000, 15))
    naive = np.quantile(above[draws].sum(1) / below[draws].sum(1), [tail_of(15), 1 - tail_of(15)])
    assert [found.low, found.high] == pytest.approx(naive, abs=0.02)
    assert found.value == pytest.approx(above.sum() / below.sum())


def test_any_statistic_is_drawn_alike():
    values = np.random.default_rng(2).random(11)
    found = estimate_statistic(lambda drawn: float(values[drawn].mean()), 11, seed=4)
    assert vars(found) == pytest.approx(vars(estimate(values, range(11), seed=4)))


def test_the_fmr_interval_is_what_a_loop_draws(monkeypatch):
    generator = np.random.default_rng(3)
    embeddings = generator.normal(size=(24, 3))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    labels = generator.permutation(np.repeat(np.arange(8), 3))
    monkeypatch.setattr(intervals, "REPLICATES", 200)

    def rate(weights: np.ndarray) -> float:
        accepted, total = 0.0, 0.0
        for first in range(24):
            for second in range(first):
                if labels[first] != labels[second]:
                    weight = weights[labels[first]] * weights[labels[second]]
                    total += weight
                    accepted += weight * float(embeddings[first] @ embeddings[second] > 0.5)
        return accepted / total

    drawn = [rate(weights) for block in bootstrap_weights(8) for weights in block]
    found = estimate_fmr(embeddings, labels, 0.5)
    assert len(drawn) == 200
    assert found.value == pytest.approx(rate(np.ones(8)))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(drawn, [tail_of(8), 1 - tail_of(8)])))
    assert (found.identities, found.comparisons) == (8, 24 * 23 // 2 - 8 * 3)
