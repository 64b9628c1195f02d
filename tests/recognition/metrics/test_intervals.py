"""Intervals against loops, scipy and repetition: they hold the truth as often as they promise."""

import math

import numpy as np
import pytest
import scipy.stats

from recognition.errors import InputError
from recognition.metrics import intervals
from recognition.metrics.intervals import (
    Estimate,
    bootstrap_weights,
    difference_of,
    estimate,
    estimate_ratio,
    estimate_ratio_difference,
    estimate_share_difference,
    estimate_statistic,
    identity_means,
)
from recognition.metrics.shares import exact_interval


def tail_of(people: int) -> float:
    """The expanded percentile, by scipy."""
    return float(
        scipy.stats.norm.cdf(-math.sqrt(people / (people - 1)) * scipy.stats.t.ppf(0.975, people - 1))
    )


def studentised(above: np.ndarray, below: np.ndarray) -> tuple[float, float]:
    """A bootstrap of Student's statistic of a ratio, one replicate after the other."""
    count, ratio = len(above), above.sum() / below.sum()

    def error(top: np.ndarray, bottom: np.ndarray) -> float:
        own = top.sum() / bottom.sum()
        return float(np.std(top - own * bottom, ddof=0) / np.sqrt(count - 1) / bottom.mean())

    statistics = []
    generator = np.random.default_rng(11)
    for _ in range(2500):
        drawn = generator.integers(0, count, count)
        spread = max(error(above[drawn], below[drawn]), 0.2 * error(above, below))
        statistics.append((above[drawn].sum() / below[drawn].sum() - ratio) / spread)
    least, greatest = np.quantile(statistics, [0.025, 0.975])
    return ratio - greatest * error(above, below), ratio - least * error(above, below)


def test_identity_means():
    assert identity_means([1.0, 3.0, 10.0, 5.0], [4, 4, 2, 9]).tolist() == [10.0, 2.0, 5.0]
    assert identity_means([1.0, 3.0, 10.0], ["b", "b", "a"]).tolist() == [10.0, 2.0]


def test_the_interval_of_a_mean_is_a_bootstrap_of_students_statistic():
    means = np.random.default_rng(7).gamma(1.0, 1.0, 12)
    found = estimate(means, range(12), seed=3)
    assert [found.low, found.high] == pytest.approx(studentised(means, np.ones(12)), rel=0.08)
    assert found.value == pytest.approx(means.mean())


def test_the_interval_of_few_is_students():
    values = [0.2, 0.4, 0.9]
    found = estimate(values, range(3))
    reach = scipy.stats.t.ppf(0.975, 2) * np.std(values, ddof=1) / np.sqrt(3)
    assert (found.low, found.high) == pytest.approx((0.5 - reach, 0.5 + reach))


def test_nearly_equal_values_have_an_interval_that_ends():
    # 36 of 100 replicates have the one other value not at all.
    found = estimate([0.0] * 15 + [1.0], range(16))
    assert -1 < found.low < 1 / 16 < found.high < 1


def test_shares_are_exact_and_numbers_are_not_shares():
    found = estimate([True] * 16, range(16))
    assert (found.low, found.high) == (pytest.approx(0.794, abs=5e-4), 1.0)
    assert estimate([False] * 100, range(100)).high == pytest.approx(0.0362, abs=5e-4)
    assert estimate([True] + [False] * 99, range(100)).high == pytest.approx(0.0545, abs=5e-4)
    # Shares that were averaged before, one of each person.
    averaged = estimate([1.0] * 16, range(16), shares=True)
    assert (averaged.low, averaged.high) == (pytest.approx(0.794, abs=5e-4), 1.0)
    half, whole = estimate([0.5] * 16, range(16), shares=True), estimate([True, False] * 8, range(16))
    assert (half.low, half.high) == pytest.approx((whole.low, whole.high))
    # A difference of 0 in everybody says nothing of a binomial bound.
    difference = estimate([0.0] * 20, range(20))
    assert (difference.low, difference.high) == (0.0, 0.0)


def test_an_estimate_averages_identities_not_comparisons():
    found = estimate([1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"])
    assert (found.value, found.identities, found.comparisons) == (0.5, 2, 4)
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


def test_one_identitys_mean_has_no_interval_and_its_share_has():
    found = estimate([0.25, 0.75], ["a", "a"])
    assert (found.value, found.low, found.high, found.identities) == (0.5, 0.5, 0.5, 1)
    share = estimate([True, True], ["a", "a"])
    assert (share.low, share.high) == (pytest.approx(0.025), 1.0)


def test_nothing_to_average():
    with pytest.raises(InputError, match="at least one comparison"):
        estimate([], [])


def test_many_identities_are_drawn_in_blocks(monkeypatch):
    values = np.random.default_rng(0).random(7)
    whole = estimate(values, range(7))
    monkeypatch.setattr(intervals, "BLOCK", 50)
    assert estimate(values, range(7)) == whole


@pytest.mark.parametrize("people", [12, 40])
def test_intervals_of_means_and_ratios_hold_the_truth(people, monkeypatch):
    monkeypatch.setattr(intervals, "REPLICATES", 1000)
    generator = np.random.default_rng(people)
    held = {"symmetrical": 0, "skewed": 0, "ratio": 0, "difference": 0}
    for _ in range(400):
        found = estimate(generator.normal(0.5, 0.1, people), range(people))
        held["symmetrical"] += found.low <= 0.5 <= found.high
        found = estimate(generator.beta(0.5, 3, people), range(people))
        held["skewed"] += found.low <= 1 / 7 <= found.high
        above, below = generator.exponential(0.15, people) - 0.02, generator.normal(0.35, 0.1, people)
        found = estimate_ratio(above, below)
        held["ratio"] += found.low <= 0.13 / 0.35 <= found.high
        other = above + generator.normal(0.035, 0.05, people)
        found = estimate_ratio_difference(other, below, above, below)
        held["difference"] += found.low <= 0.1 <= found.high
    assert min(held.values()) >= 0.92 * 400


def test_an_interval_is_no_wider_than_it_must_be():
    identities, share = 200, 0.6
    generator = np.random.default_rng(0)
    widths = []
    for _ in range(100):
        found = estimate(generator.random(identities) < share, range(identities))
        widths.append(found.high - found.low)
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.sqrt(share * (1 - share) / identities), rel=0.1)


def test_a_paired_difference_of_shares_by_hand():
    # Of 16 people, four rise and nobody falls: the exact test of McNemar gives p = 0.125.
    after, before = np.array([1.0] * 8 + [0.0] * 8), np.array([1.0] * 4 + [0.0] * 12)
    found = estimate_share_difference(after, before)
    (low, high), (_, fall) = (map(float, exact_interval(count, 16)) for count in (4, 0))
    assert found.value == 0.25
    assert found.low == pytest.approx(0.25 - math.hypot(0.25 - low, fall))
    assert found.high == pytest.approx(high)
    assert found.low < 0
    # Six of 16: p = 0.03.
    assert estimate_share_difference(np.array([1.0] * 6 + [0.0] * 10), np.zeros(16)).low > 0
    nothing = estimate_share_difference(after, after)
    assert (-nothing.low, nothing.high) == pytest.approx((fall, fall))


def test_paired_differences_of_shares_hold_the_truth():
    generator = np.random.default_rng(0)
    for people in (12, 60):
        for rise, fall in ((0.05, 0.05), (0.2, 0.0), (0.3, 0.2)):
            held = 0
            for _ in range(400):
                place = generator.random(people)
                found = estimate_share_difference(place < rise, (place > rise) & (place < rise + fall))
                held += found.low <= rise - fall <= found.high
            assert held >= 0.93 * 400


def test_a_difference_of_different_people_by_hand():
    after, before = Estimate(0.5, 0.4, 0.7, 20, 20), Estimate(0.3, 0.2, 0.35, 30, 60)
    found = difference_of(after, before)
    assert (found.value, found.identities) == (pytest.approx(0.2), 20)
    assert found.low == pytest.approx(0.2 - math.hypot(0.1, 0.05))
    assert found.high == pytest.approx(0.2 + math.hypot(0.2, 0.1))


def test_a_difference_of_ratios_is_paired():
    generator = np.random.default_rng(0)
    below = 1 + generator.random(30)
    above = below * generator.random(30)
    # The same for everybody: no uncertainty is left.
    found = estimate_ratio_difference(above + 0.2 * below, below, above, below)
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.2, 0.2))
    alone = estimate_ratio(above, below)
    assert estimate_ratio_difference(above, below, 0 * above, below).low == pytest.approx(alone.low, abs=0.02)


def test_pooled_intervals_cover_the_truth_and_shrink_with_identities():
    generator = np.random.default_rng(0)
    widths = []
    for people in (80, 2000):
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
    assert [found.low, found.high] == pytest.approx(studentised(above, below), abs=0.02)
    assert found.value == pytest.approx(above.sum() / below.sum())


def test_any_statistic_has_the_expanded_percentiles():
    values = np.random.default_rng(2).random(11)
    found = estimate_statistic(lambda drawn: float(values[drawn].mean()), 11, seed=4)
    means = np.concatenate([weights @ values / 11 for weights in bootstrap_weights(11, seed=4)])
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [tail_of(11), 1 - tail_of(11)])))
    assert found.value == pytest.approx(values.mean())
    alone = estimate_statistic(lambda drawn: 3.0, 1)
    assert (alone.value, alone.low, alone.high) == (3.0, 3.0, 3.0)
