"""Intervals of shares against published values, scipy and simulation."""

import numpy as np
import pytest
import scipy.stats

from recognition.metrics.shares import (
    equivalent_people,
    exact_interval,
    people_needed,
    share_intervals,
    student_quantile,
)


def ends(accepted: float, trials: float) -> tuple[float, float]:
    low, high = exact_interval(accepted, trials)
    return float(low), float(high)


@pytest.mark.parametrize("freedom", [1, 2, 3, 7, 19, 100, 999, 5000])
def test_student_quantile(freedom):
    assert student_quantile(0.975, freedom) == pytest.approx(scipy.stats.t.ppf(0.975, freedom))


@pytest.mark.parametrize(
    ("accepted", "trials", "low", "high"),
    [(16, 16, 0.794, 1.0), (0, 100, 0.0, 0.0362), (1, 100, 0.00025, 0.0545), (1, 20, 0.0013, 0.2487)],
)
def test_published_values(accepted, trials, low, high):
    assert ends(accepted, trials) == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))


@pytest.mark.parametrize(("trials", "step"), [(1, 1), (2, 1), (16, 3), (100, 33)])
def test_whole_counts_against_scipy(trials, step):
    for accepted in (*range(0, trials, step), trials):
        found = scipy.stats.binomtest(accepted, trials).proportion_ci(0.95, "exact")
        assert ends(accepted, trials) == pytest.approx((found.low, found.high), abs=1e-9)


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("people", [12, 100])
def test_more_accepted_is_never_a_lower_interval(people, samples):
    # One person after another accepts one sample after another.
    counts = np.arange(people * samples + 1)
    shares = np.clip(counts[None] - samples * np.arange(people)[:, None], 0, samples) / samples
    lows, highs = share_intervals(shares, np.full(people, float(samples)))
    # Only the effect of pooling the accepted samples in few people may be seen, never against the order by
    # whole people.
    assert (np.diff(lows[::samples]) > 0).all()
    assert (np.diff(highs[::samples])[:-1] > 0).all()
    assert (lows <= shares.mean(0)).all()
    assert (shares.mean(0) <= highs).all()


def test_one_sample_of_each_is_exact_and_several_that_agree_are_one():
    shares = np.array([[1.0], [0.0], [0.0], [1.0], [1.0]])
    for samples in (1.0, 4.0):
        lows, highs = share_intervals(shares, np.full(5, samples))
        assert (lows[0], highs[0]) == pytest.approx(ends(3, 5))


def test_unequal_weights_by_hand():
    # Three people who count 4, 1 and 1, one sample each: (4 + 1 + 1)^2 / (16 + 1 + 1) = 2 independent ones.
    shares, weights = np.array([[1.0], [0.0], [0.0]]), np.array([4.0, 1.0, 1.0])
    lows, highs = share_intervals(shares, np.ones(3), weights)
    assert (lows[0], highs[0]) == pytest.approx(ends(4 / 6 * 2, 2))


@pytest.mark.parametrize("people", [12, 20, 50, 100, 200])
def test_intervals_of_several_samples_hold_the_truth(people):
    generator = np.random.default_rng(people)
    repetitions, lowest = 800, 1.0
    for samples in (2, 8):
        for share in (0.0, 0.02, 0.1, 0.5, 0.95, 1.0):
            for correlation in (0.0, 0.3, 0.9):
                own = np.full((people, repetitions), share)
                if correlation and 0 < share < 1:
                    spread = 1 / correlation - 1
                    own = generator.beta(share * spread, (1 - share) * spread, (people, repetitions))
                accepted = generator.binomial(samples, own) / samples
                lows, highs = share_intervals(accepted, np.full(people, float(samples)))
                lowest = min(lowest, float(((lows <= share) & (share <= highs)).mean()))
    assert lowest >= 0.93


def test_intervals_of_unequal_people_hold_the_truth():
    # Every comparison counts alike, and some people have ten times as many as others.
    generator = np.random.default_rng(0)
    counts = generator.integers(1, 11, 60).astype(float)
    own = generator.beta(0.8, 0.2, (60, 800))
    shares = generator.binomial(counts[:, None].astype(int), own) / counts[:, None]
    lows, highs = share_intervals(shares, counts, counts)
    assert ((lows <= 0.8) & (highs >= 0.8)).mean() >= 0.93


def test_samples_that_differ_within_people_narrow_the_interval():
    generator = np.random.default_rng(1)
    independent = generator.binomial(4, 0.4, (100, 1)) / 4
    lows, highs = share_intervals(independent, np.full(100, 4.0))
    low, high = ends(float(independent.sum()), 100)
    assert highs[0] - lows[0] < 0.65 * (high - low)


@pytest.mark.parametrize(("share", "limit", "people"), [(0.0, 0.05, 72), (0.0, 0.036, 101)])
def test_people_needed_where_nobody_is_accepted(share, limit, people):
    # 1 - 0.025^(1 / n) <= limit.
    assert people_needed(share, limit) == people
    assert ends(0, people)[1] <= limit < ends(0, people - 1)[1]


def test_people_needed_is_the_fewest():
    found = people_needed(0.02, 0.05)
    assert found is not None
    assert ends(0.02 * found, found)[1] <= 0.05
    assert ends(0.02 * (found - 1), found - 1)[1] > 0.05
    assert people_needed(0.05, 0.05) is None
    assert people_needed(0.06, 0.05) is None


@pytest.mark.parametrize(("accepted", "people"), [(0, 20), (1, 20), (40, 200)])
def test_an_exact_interval_is_worth_its_people(accepted, people):
    high = ends(accepted, people)[1]
    assert equivalent_people(accepted / people, high) == pytest.approx(people, rel=1e-6)
