"""False match rates over people: who may claim one, and intervals of rates and thresholds."""

import math

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from benchmarks.interval_coverage import Strangers, acceptance_difference
from recognition.errors import InputError
from recognition.metrics.intervals import Estimate, estimate
from recognition.metrics.shares import exact_interval
from recognition.metrics.thresholds import (
    AcceptedShare,
    DecisionThreshold,
    Nonmated,
    accepted_difference,
    accepted_share,
    cross_comparisons,
    estimate_acceptance,
    estimate_fmr,
    fewest_people,
    require_people,
    threshold_at_rate,
)

#: Of each simulation.
REPETITIONS = 120


def comparisons(similarities: NDArray[np.float64], people: int) -> Nonmated:
    first, second = np.triu_indices(people, 1)
    return Nonmated(similarities, first, second, np.ones(people, np.int64))


@pytest.mark.parametrize("rate", [0.5, 0.1, 0.03, 0.0311, 0.0])
@pytest.mark.parametrize("digits", [15, 1])
def test_threshold_is_the_lowest_that_keeps_the_rate(rate, digits):
    # Rounding to one digit makes many similarities equal.
    nonmated = np.random.default_rng(0).uniform(-1, 1, 150).round(digits)
    kept = [value for value in nonmated if sum(other > value for other in nonmated) <= rate * 150]
    assert threshold_at_rate(nonmated, rate) == min(kept)


def test_at_a_rate_of_one_everything_passes():
    assert (np.array([0.2, 0.3]) > threshold_at_rate(np.array([0.2, 0.3]), 1.0)).all()


@pytest.mark.parametrize(("fmr", "people"), [(1e-2, 46), (1e-3, 142), (1e-4, 448), (0.5, 7)])
def test_people_that_a_rate_takes(fmr, people):
    # Ten of the pairs of two people match falsely.
    assert fewest_people(fmr) == people
    assert math.comb(people, 2) * fmr >= 10 > math.comb(people - 1, 2) * fmr
    require_people(fmr, people)
    with pytest.raises(
        InputError, match=rf"FMR {fmr:g}: expected at least {people} people.*got {people - 1};"
    ):
        require_people(fmr, people - 1)


def test_187_people_do_not_claim_one_in_ten_thousand():
    with pytest.raises(InputError, match="at least 448 people, of whose pairs 10 match falsely, got 187"):
        comparisons(np.zeros(math.comb(187, 2)), 187).threshold(1e-4)


@pytest.mark.parametrize("fmr", [0.0, 1.0, -0.1, 1.5, math.nan])
def test_a_rate_that_is_no_fraction_is_refused(fmr):
    with pytest.raises(InputError, match="FMR: expected a fraction between 0 and 1"):
        require_people(fmr, 10_000)


@pytest.mark.parametrize("fmr", [1e-2, 1e-3])
def test_a_claimed_rate_is_at_most_doubled_on_other_people(fmr):
    strangers = Strangers(np.random.default_rng(4), 1500)
    people = fewest_people(fmr)
    realised = np.array(
        [
            strangers.true_fmr(threshold_at_rate(strangers.sample(people).similarities, fmr))
            for _ in range(REPETITIONS)
        ]
    )
    assert (realised <= 2 * fmr).mean() >= 0.95
    # The rule is not stricter than it must be: with half of the people the rate is often exceeded.
    fewer = np.array(
        [
            strangers.true_fmr(threshold_at_rate(strangers.sample(people // 2).similarities, fmr))
            for _ in range(REPETITIONS)
        ]
    )
    assert (fewer <= 2 * fmr).mean() < 0.95


@pytest.mark.parametrize("fmr", [1e-2, 1e-3])
def test_of_strongly_resembling_people_the_claimed_rate_is_exceeded_more_often(fmr):
    """Forty groups of sizes by Zipf's law, of which the first has a quarter of the people."""
    generator = np.random.default_rng(3)
    centres = generator.normal(size=(40, 64))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    sizes = 1 / np.arange(1, 41)

    def draw(people):
        own = centres[generator.choice(40, people, p=sizes / sizes.sum())]
        found = 0.7 * own + math.sqrt(0.51) * generator.normal(size=(people, 64)) / 8
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    def pairs(embeddings):
        return (embeddings @ embeddings.T)[np.triu_indices(len(embeddings), 1)]

    population = np.sort(pairs(draw(2000)))
    people = fewest_people(fmr)
    thresholds = [threshold_at_rate(pairs(draw(people)), fmr) for _ in range(REPETITIONS)]
    realised = 1 - np.searchsorted(population, thresholds, side="right") / len(population)
    assert 0.8 <= (realised <= 2 * fmr).mean() < 0.97


def test_the_variance_of_a_rate_is_that_of_a_loop_over_pairs_of_pairs():
    generator = np.random.default_rng(0)
    people, each = 9, 2
    labels = np.repeat(np.arange(people), each)
    embeddings = generator.normal(size=(people * each, 3))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    nonmated = cross_comparisons(embeddings, labels)
    found = nonmated.fmr(0.5)
    rate = float((nonmated.similarities > 0.5).mean())
    # By how much each pair of two people exceeds the rate, over its four comparisons.
    excess = np.zeros((people, people))
    for first, second, value in zip(nonmated.first, nonmated.second, nonmated.similarities, strict=True):
        excess[min(first, second), max(first, second)] += float(value > 0.5) - rate
    pairs = [(i, j) for i in range(people) for j in range(i + 1, people)]
    variance = (
        sum(excess[one] * excess[other] for one in pairs for other in pairs if set(one) & set(other))
        / len(nonmated.similarities) ** 2
    )
    independent = sum(excess[one] ** 2 for one in pairs) / len(nonmated.similarities) ** 2
    shrink = (scipy.stats.norm.ppf(0.975) / scipy.stats.t.ppf(0.975, people - 1)) ** 2
    effective = rate * (1 - rate) / max(variance, independent) * shrink
    assert (found.low, found.high) == pytest.approx(
        tuple(map(float, exact_interval(rate * effective, effective)))
    )
    assert (found.value, found.identities, found.comparisons) == (rate, people, len(nonmated.similarities))
    assert vars(estimate_fmr(embeddings, labels, 0.5)) == pytest.approx(vars(found))


def test_a_rate_of_zero_has_an_upper_end():
    found = comparisons(np.zeros(math.comb(100, 2)), 100).fmr(0.5)
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / math.comb(100, 2)))


def test_intervals_of_rates_and_thresholds_hold_the_truth():
    strangers = Strangers(np.random.default_rng(1), 1500)
    truth = strangers.true_threshold(1e-2)
    held = {"rate": 0, "threshold": 0}
    for _ in range(REPETITIONS):
        nonmated = strangers.sample(100)
        rate, threshold = nonmated.fmr(truth), nonmated.threshold(1e-2)
        held["rate"] += rate.low <= 1e-2 <= rate.high
        held["threshold"] += threshold.low <= truth <= threshold.high
        assert threshold.low <= threshold.value <= threshold.high
    assert min(held.values()) >= 0.92 * REPETITIONS


def test_the_uncertainty_of_the_threshold_is_part_of_the_share():
    similarities = np.linspace(0, 1, 41)
    certain = estimate_acceptance(similarities, range(41), DecisionThreshold(0.01, 0.5, 0.5, 0.5))
    assert certain == estimate(similarities > 0.5, range(41))
    found = estimate_acceptance(similarities, range(41), DecisionThreshold(0.01, 0.5, 0.4, 0.75))
    # 20 of 41 are above 0.5, 24 above 0.4, 10 above 0.75.
    assert found.value == certain.value == 20 / 41
    assert found.value - found.low == pytest.approx(math.hypot(certain.value - certain.low, 10 / 41))
    assert found.high - found.value == pytest.approx(math.hypot(certain.high - certain.value, 4 / 41))


def test_a_share_at_a_calibrated_threshold_is_held():
    strangers = Strangers(np.random.default_rng(2), 1500)
    generator = np.random.default_rng(3)
    truth, held = strangers.true_threshold(1e-2), 0
    for _ in range(REPETITIONS):
        similarities = generator.normal(truth, 0.1, 80)
        found = estimate_acceptance(similarities, range(80), strangers.sample(60).threshold(1e-2))
        held += found.low <= 0.5 <= found.high
    assert held >= 0.93 * REPETITIONS


def test_the_share_at_both_ends_by_hand():
    threshold = DecisionThreshold(0.01, 0.5, 0.4, 0.75)
    share = accepted_share([0.45, 0.6, 0.6, 0.8, 0.1], ["a", "a", "b", "b", "c"], threshold)
    assert (share.value, share.low, share.high) == pytest.approx((0.5, 1 / 6, 2 / 3))
    pooled = accepted_share([0.45, 0.6, 0.6, 0.8, 0.1], list("aabbc"), threshold, pooled=True)
    assert (pooled.value, pooled.low, pooled.high) == pytest.approx((0.6, 0.2, 0.8))


def test_a_difference_by_hand():
    own = Estimate(0.2, 0.1, 0.35, 50, 50)
    after, before = AcceptedShare(0.5, 0.4, 0.7), AcceptedShare(0.3, 0.28, 0.35)
    two = accepted_difference(own, after, before, one_threshold=False)
    assert own.value - two.low == pytest.approx(math.hypot(0.1, 0.1, 0.05))
    assert two.high - own.value == pytest.approx(math.hypot(0.15, 0.2, 0.02))
    # At the upper end of the one threshold they differ by 0.12, at the lower end by 0.35.
    one = accepted_difference(own, after, before, one_threshold=True)
    assert own.value - one.low == pytest.approx(math.hypot(0.1, 0.08))
    assert one.high - own.value == pytest.approx(math.hypot(0.15, 0.15))
    certain = AcceptedShare(0.5, 0.5, 0.5), AcceptedShare(0.3, 0.3, 0.3)
    assert accepted_difference(own, *certain, one_threshold=True) == own
    assert accepted_difference(own, *certain, one_threshold=False) == own


@pytest.mark.parametrize("one_threshold", [True, False])
@pytest.mark.parametrize(("people", "calibrated", "fmr"), [(20, 60, 1e-2), (100, 60, 1e-2), (300, 150, 1e-3)])
def test_a_difference_at_calibrated_thresholds_is_held(people, calibrated, fmr, one_threshold):
    """At two thresholds of their own, intervals without their uncertainty hold 0.4 of 300 people."""
    strangers = Strangers(np.random.default_rng(5), 1500)
    drawn = acceptance_difference(
        strangers,
        people,
        calibrated,
        fmr,
        REPETITIONS,
        np.random.default_rng(6),
        one_threshold=one_threshold,
    )
    for truth, (low, high) in drawn:
        assert ((low <= truth) & (truth <= high)).mean() >= 0.93
