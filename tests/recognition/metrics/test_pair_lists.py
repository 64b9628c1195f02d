"""Verification on listed pairs, against cases by hand and naive sums."""

import numpy as np
import pytest

from recognition.errors import InputError
from recognition.metrics.curves import describe_curve
from recognition.metrics.pair_lists import PairedPeople, PairList, describe_pairs, people_of, verify_pairs
from recognition.metrics.thresholds import cross_comparisons


def test_people_are_connected_by_mated_pairs():
    people = people_of(6, np.array([0, 2, 4]), np.array([2, 5, 4]))
    assert len(set(people.tolist())) == 4
    assert people[0] == people[2] == people[5]
    assert len({people[0], people[1], people[3], people[4]}) == 4


def test_metrics_by_hand():
    """Ten mated and 30 nonmated pairs; at FMR 0.1, three of the nonmated ones may be above the threshold."""
    mated = np.array([0.9, 0.8, 0.7, 0.6, 0.55, 0.5, 0.4, 0.3, 0.2, 0.1])
    nonmated = np.linspace(0.58, 0.0, 30)
    pairs = PairList(
        first=np.arange(40),
        second=np.arange(40, 80),
        mated=np.arange(40) < 10,
        people=people_of(80, np.arange(10), np.arange(40, 50)),
    )
    metrics = verify_pairs(np.concatenate([mated, nonmated]), pairs)
    assert metrics.accuracy is None
    assert (metrics.mated, metrics.nonmated, metrics.people) == (10, 30, 70)
    (point,) = metrics.points
    # 0.58, 0.56 and 0.54 are above 0.52; of the mated ones five are.
    assert (point.fmr, point.realised_fmr, point.tar) == (0.1, 0.1, 0.5)
    assert point.threshold == pytest.approx(0.52)
    (tar,), (fmr,) = metrics.tar_estimates, metrics.fmr_estimates
    assert (tar.value, tar.identities, fmr.value, fmr.identities) == (0.5, 10, 0.1, 60)
    # All people are different, so that the rate has nearly the interval of 30 independent comparisons.
    assert (fmr.low, fmr.high) == pytest.approx((0.0211, 0.2653), abs=0.01)
    # The true accept rate is as uncertain as of ten people, and more by the threshold's interval.
    assert tar.low < 0.187
    assert tar.high > 0.813
    assert describe_pairs(metrics)["tar_at_fmr_0.1"] == 0.5
    assert describe_curve("x", metrics)["nonmated"] == 30


def naive_variance(accepted, first, second) -> float:
    """Return the variance of a mean by its definition: pairs of comparisons with a person in common."""
    excess = accepted - accepted.mean()
    total = 0.0
    for i in range(len(excess)):
        for j in range(len(excess)):
            if {first[i], second[i]} & {first[j], second[j]}:
                total += excess[i] * excess[j]
    return total / len(excess) ** 2


def test_the_interval_allows_comparisons_of_the_same_people_to_depend_on_each_other():
    generator = np.random.default_rng(0)
    first = generator.integers(0, 12, 150)
    second = (first + generator.integers(1, 12, 150)) % 12
    # People 0 and 1 resemble everybody.
    accepted = (np.minimum(first, second) < 2) & (generator.random(150) < 0.7)
    found = PairedPeople(first, second).rate(accepted)
    rate, variance = accepted.mean(), naive_variance(accepted, first, second)
    independent = rate * (1 - rate) / 150
    assert variance > 2 * independent
    # The effective number of comparisons is that of the variance, reduced by Student's factor.
    from scipy.stats import beta, norm, t

    effective = rate * (1 - rate) / variance * (norm.ppf(0.975) / t.ppf(0.975, 11)) ** 2
    hits = rate * effective
    assert found.low == pytest.approx(beta.ppf(0.025, hits, effective - hits + 1), rel=1e-6)
    assert found.high == pytest.approx(beta.ppf(0.975, hits + 1, effective - hits), rel=1e-6)


def test_on_all_pairs_the_interval_is_that_of_all_cross_comparisons():
    generator = np.random.default_rng(1)
    labels = np.repeat(np.arange(15), 3)
    embeddings = generator.normal(size=(45, 4))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    expected = cross_comparisons(embeddings, labels)
    found = PairedPeople(expected.first, expected.second)
    for threshold in (0.9, 0.5, 2.0):
        own, other = expected.fmr(threshold), found.rate(expected.similarities > threshold)
        assert (own.value, own.identities) == (other.value, other.identities)
        assert (own.low, own.high) == pytest.approx((other.low, other.high))


def test_rates_are_reported_down_to_where_three_pairs_match():
    generator = np.random.default_rng(2)
    count = 30_100
    mated = np.arange(count) < 100
    pairs = PairList(np.arange(count), np.arange(count, 2 * count), mated, np.arange(2 * count))
    metrics = verify_pairs(generator.normal(size=count) + 3 * mated, pairs)
    assert [point.fmr for point in metrics.points] == [1e-4, 1e-3, 1e-2, 1e-1]
    assert [round(point.realised_fmr * 30_000) for point in metrics.points] == [3, 30, 300, 3000]
    with pytest.raises(InputError, match=r"FMR 1e-05: expected at least 300,000 nonmated pairs"):
        verify_pairs(np.zeros(count), pairs, fmrs=[1e-5])
    with pytest.raises(InputError, match="expected a fraction between 0 and 1, got 2"):
        verify_pairs(np.zeros(count), pairs, fmrs=[2])


def test_pairs_of_one_kind_and_numbers_that_are_none_are_refused():
    pairs = PairList(np.arange(3), np.arange(3), np.ones(3, bool), np.arange(3))
    with pytest.raises(InputError, match="expected mated and nonmated comparisons, got 3 and 0"):
        verify_pairs(np.zeros(3), pairs)
    with pytest.raises(InputError, match="similarities"):
        verify_pairs(np.array([0, np.nan, 1]), pairs)
