import json
from itertools import pairwise

import numpy as np
import pytest

from recognition.errors import InputError
from recognition.metrics.accuracy import ten_fold_accuracy
from recognition.metrics.curves import describe_curve
from recognition.metrics.thresholds import Nonmated, cross_comparisons
from recognition.metrics.verification import (
    PAIRS_PER_IDENTITY,
    Pairs,
    describe_verification,
    equal_error_rate,
    make_pairs,
    roc,
    tar_at_fmr,
    verify,
)


def comparisons(similarities: np.ndarray) -> Nonmated:
    """All pairs of people with an image each."""
    people = round(0.5 + np.sqrt(0.25 + 2 * len(similarities)))
    first, second = np.triu_indices(people, 1)
    return Nonmated(similarities, first, second, np.ones(people, np.int64))


def unit_embeddings(labels: np.ndarray, spread: float, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(labels.max() + 1, 16))
    embeddings = centres[labels] + spread * generator.normal(size=(len(labels), 16))
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)


def test_tar_counts_mated_similarities_above_the_threshold():
    generator = np.random.default_rng(1)
    mated, nonmated = generator.normal(0.6, 0.2, 80), generator.normal(0, 0.2, 50 * 49 // 2)
    point = tar_at_fmr(mated, comparisons(nonmated), 0.01)
    assert point.tar == sum(value > point.threshold for value in mated) / 80
    assert point.realised_fmr == sum(value > point.threshold for value in nonmated) / 1225
    assert point.realised_fmr <= point.fmr == 0.01
    assert (point.mated, point.nonmated) == (80, 1225)


def test_a_constant_similarity_verifies_nobody():
    point = tar_at_fmr(np.full(50, 0.5), comparisons(np.full(1225, 0.5)), 0.01)
    assert (point.tar, point.realised_fmr) == (0.0, 0.0)


def possible_accuracies(similarities, mated, folds) -> tuple[float, float]:
    """Return the lowest and the highest mean accuracy of thresholds that are best for the other folds."""
    lowest, highest = [], []
    values = sorted(set(similarities.tolist()))
    edges = [values[0] - 1, *values, values[-1] + 1]
    thresholds = [(low + high) / 2 for low, high in pairwise(edges)] + values
    for fold in sorted(set(folds.tolist())):
        best, tests = -1, []
        for threshold in thresholds:
            right = sum(
                (similarity > threshold) == same
                for similarity, same, other in zip(similarities, mated, folds, strict=True)
                if other != fold
            )
            inside = [
                (similarity > threshold) == same
                for similarity, same, other in zip(similarities, mated, folds, strict=True)
                if other == fold
            ]
            if right > best:
                best, tests = right, []
            if right == best:
                tests.append(sum(inside) / len(inside))
        lowest.append(min(tests))
        highest.append(max(tests))
    return float(np.mean(lowest)), float(np.mean(highest))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("digits", [15, 1])
def test_ten_fold_accuracy_equals_brute_force(seed, digits):
    generator = np.random.default_rng(seed)
    mated = generator.random(40) < 0.5
    similarities = (generator.normal(0, 0.4, 40) + 0.5 * mated).round(digits)
    folds = np.arange(40) % 5
    accuracy, _ = ten_fold_accuracy(similarities, mated, folds)
    lowest, highest = possible_accuracies(similarities, mated, folds)
    assert lowest - 1e-12 <= accuracy <= highest + 1e-12


def test_ten_fold_accuracy_by_hand():
    # Each fold's threshold is the other's: 0.5 for the first, 0.25 for the second.
    similarities = np.array([0.4, 0.1, 0.6, 0.4])
    mated = np.array([True, False, True, False])
    folds = np.array([0, 0, 1, 1])
    accuracy, deviation = ten_fold_accuracy(similarities, mated, folds)
    # The first fold's mated 0.4 is rejected, the second fold's nonmated 0.4 is accepted.
    assert accuracy == 0.5
    assert deviation == 0.0


def test_accuracy_deviation_is_over_folds():
    similarities = np.array([0.9, 0.1, 0.9, 0.1, 0.2, 0.8])
    mated = np.array([True, False] * 3)
    accuracy, deviation = ten_fold_accuracy(similarities, mated, np.array([0, 0, 1, 1, 2, 2]))
    assert accuracy == pytest.approx(2 / 3)
    assert deviation == pytest.approx(np.std([1, 1, 0]))


@pytest.mark.parametrize("kind", [True, False])
def test_pairs_of_one_kind_are_all_right(kind):
    similarities = np.linspace(-0.5, 0.5, 20)
    accuracy, _ = ten_fold_accuracy(similarities, np.full(20, kind), np.arange(20) % 2)
    # A pair beyond the other fold's extreme may fall on the wrong side of it.
    assert accuracy >= 0.9


def test_neighbouring_float32_similarities_are_separated():
    for low in np.float32([0.5, 0.3, 0.7, 0.1]), np.float32([0.51, 0.37, 0.71, 0.13]):
        for value in low:
            above = np.nextafter(value, np.float32(1))
            similarities = np.array([above, value, above, value], dtype=np.float32)
            mated = np.array([True, False, True, False])
            accuracy, _ = ten_fold_accuracy(similarities, mated, np.array([0, 0, 1, 1]))
            assert accuracy == 1


def test_made_pairs_are_balanced_and_their_folds_disjoint():
    generator = np.random.default_rng(0)
    labels = generator.permutation(np.repeat(np.arange(60), generator.integers(1, 8, 60)))
    pairs = make_pairs(labels, folds=10, seed=1)
    assert set(pairs.folds.tolist()) == set(range(10))
    seen: dict[int, int] = {}
    for (first, second), mated, fold in zip(pairs.indices, pairs.mated, pairs.folds, strict=True):
        assert first != second
        assert (labels[first] == labels[second]) == mated
        for label in (labels[first], labels[second]):
            assert seen.setdefault(int(label), int(fold)) == fold
    assert len({tuple(sorted(pair)) for pair in pairs.indices.tolist()}) == len(pairs.indices)
    for fold in range(10):
        inside = pairs.folds == fold
        assert pairs.mated[inside].sum() == (~pairs.mated[inside]).sum() > 0


def test_mated_pairs_of_an_identity_are_capped():
    labels = np.concatenate([np.repeat(0, 30), np.repeat(np.arange(1, 30), 3)])
    pairs = make_pairs(labels)
    counts = {
        label: sum(labels[first] == label for first, _ in pairs.indices[pairs.mated]) for label in range(30)
    }
    assert counts[0] == PAIRS_PER_IDENTITY
    assert all(counts[label] == 3 for label in range(1, 30))


def test_made_pairs_depend_on_the_seed_alone():
    labels = np.repeat(np.arange(40), 3)
    first, again, other = (make_pairs(labels, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.indices, again.indices)
    assert not np.array_equal(first.indices, other.indices)


def test_too_few_identities_are_refused():
    labels = np.concatenate([np.repeat(np.arange(9), 2), np.arange(9, 50)])
    with pytest.raises(InputError, match="pairs: expected at least 10 identities with two images, got 9"):
        make_pairs(labels)


@pytest.mark.parametrize(
    "sizes",
    [[2] * 10, [2] * 11, [2] * 15 + [1] * 5, [5] * 10 + [1] * 10],
    ids=["no-cross-pairs", "cross-pairs-in-one-fold", "few-single-images", "fewer-cross-pairs-than-mated"],
)
def test_few_identities_are_balanced_or_refused(sizes, time_limit):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    with time_limit(3):
        try:
            pairs = make_pairs(labels)
        except InputError:
            return
    assert len(np.unique(pairs.indices, axis=0)) == len(pairs.indices)
    assert pairs.mated.sum() == (~pairs.mated).sum()


def test_cross_comparisons_equal_two_loops():
    labels = np.array([0, 1, 0, 2, 1, 1, 3])
    embeddings = unit_embeddings(labels, 0.5)
    expected = [
        float(embeddings[first] @ embeddings[second])
        for first in range(7)
        for second in range(first + 1, 7)
        if labels[first] != labels[second]
    ]
    found = cross_comparisons(embeddings, labels)
    np.testing.assert_allclose(sorted(found.similarities), sorted(expected), atol=1e-12)
    assert found.images.tolist() == [2, 3, 1, 1]
    assert not (found.first == found.second).any()


def test_verify_separates_clusters_and_not_noise():
    labels = np.repeat(np.arange(150), 2)
    tight = verify(unit_embeddings(labels, 0.05), labels)
    assert tight.accuracy > 0.99
    assert [point.tar for point in tight.points] == [1.0, 1.0]
    assert [point.fmr for point in tight.points] == [0.01, 0.001]
    assert (tight.identities, tight.images) == (150, 300)
    shuffled = verify(unit_embeddings(labels, 0.05), np.random.default_rng(0).permutation(labels))
    assert abs(shuffled.accuracy - 0.5) < 0.15
    assert shuffled.points[0].tar < 0.2


def test_verify_uses_given_pairs():
    labels = np.repeat(np.arange(40), 3)
    embeddings = unit_embeddings(labels, 0.5)
    chosen = Pairs(
        np.array([[0, 1], [0, 3], [6, 8], [9, 60]]),
        np.array([True, False, True, False]),
        np.array([0, 0, 1, 1]),
    )
    metrics = verify(embeddings, labels, pairs=chosen, fmrs=(0.1,))
    similarities = np.array([embeddings[first] @ embeddings[second] for first, second in chosen.indices])
    assert metrics.pairs == 4
    assert metrics.accuracy == ten_fold_accuracy(similarities, chosen.mated, chosen.folds)[0]
    assert metrics.points == (tar_at_fmr(similarities[[0, 2]], cross_comparisons(embeddings, labels), 0.1),)


def test_rates_are_those_that_there_are_enough_people_for():
    labels = np.repeat(np.arange(60), 2)
    embeddings = unit_embeddings(labels, 0.5)
    assert [point.fmr for point in verify(embeddings, labels).points] == [0.01]
    few = verify(embeddings[:60], labels[:60])
    assert (few.points, few.nonmated) == ((), 60 * 59 // 2 - 30)
    assert "tar_at_fmr_0.01" not in describe_verification(few)
    with pytest.raises(InputError, match=r"FMR 0\.001: expected at least 142 people"):
        verify(embeddings, labels, fmrs=(0.001,))


def test_description_is_flat_and_rounded():
    labels = np.repeat(np.arange(142), 2)
    metrics = verify(unit_embeddings(labels, 0.9), labels)
    described = describe_verification(metrics)
    assert list(described) == [
        "accuracy",
        "accuracy_std",
        "pairs",
        "identities",
        "eer",
        "tar_at_fmr_0.01",
        "realised_fmr_0.01",
        "tar_at_fmr_0.001",
        "realised_fmr_0.001",
        "mated",
        "nonmated",
    ]
    assert described["accuracy"] == round(metrics.accuracy, 5)
    assert described["tar_at_fmr_0.001"] == round(metrics.points[1].tar, 5)
    assert described["nonmated"] == 284 * 283 // 2 - 142


def test_the_roc_equals_a_loop():
    generator = np.random.default_rng(0)
    mated, nonmated = generator.normal(1, 1, 40).round(1), generator.normal(0, 1, 60).round(1)
    curve = roc(mated, nonmated)
    assert list(curve.thresholds) == sorted(curve.thresholds, reverse=True)
    assert (curve.far[0], curve.frr[-1]) == (0, 0)
    for threshold, far, frr in zip(curve.thresholds, curve.far, curve.frr, strict=True):
        assert far == pytest.approx(sum(s > threshold for s in nonmated) / 60)
        assert frr == pytest.approx(sum(s <= threshold for s in mated) / 40)
    assert curve.far[-1] == 1


def test_the_equal_error_rate_by_hand():
    # At 0.5, one of four mated is rejected and one of four nonmated accepted.
    curve = roc(np.array([0.4, 0.7, 0.8, 0.9]), np.array([0.1, 0.2, 0.5, 0.6]))
    assert equal_error_rate(curve) == (pytest.approx(0.25), pytest.approx(0.5))
    assert equal_error_rate(roc(np.array([1.0, 0.9]), np.array([0.1, 0.2])))[0] == 0
    # Between 0.5 (FAR 0, FRR 1/2) and 0.4 (FAR 1/3, FRR 1/2), ... the lines cross in between.
    rate, _ = equal_error_rate(roc(np.array([0.45, 0.9]), np.array([0.1, 0.2, 0.5])))
    assert 1 / 3 <= rate <= 1 / 2


def test_a_roc_needs_both_kinds():
    with pytest.raises(InputError, match="ROC: expected mated and nonmated comparisons, got 0 and 2"):
        roc(np.zeros(0), np.ones(2))


def test_intervals_and_the_curve_are_described():
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(50), 2)
    embeddings = generator.normal(size=(50, 8))[labels] + generator.normal(0, 0.5, (100, 8))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    metrics = verify(embeddings, labels, fmrs=(0.1, 0.01), intervals=True)
    described = describe_verification(metrics)
    for rate in ("0.1", "0.01"):
        low, high = described[f"tar_interval_{rate}"]
        assert low <= described[f"tar_at_fmr_{rate}"] <= high
        low, high = described[f"fmr_interval_{rate}"]
        assert low <= described[f"realised_fmr_{rate}"] <= high
    curve = json.loads(json.dumps(describe_curve("name", metrics)))
    assert curve["points"][1]["threshold"] == metrics.points[1].threshold
    assert curve["far"] == sorted(curve["far"])
    assert curve["frr"] == sorted(curve["frr"], reverse=True)
    assert metrics.points[0].frr == 1 - metrics.points[0].tar


def test_pairs_of_one_fold_have_no_threshold_of_another():
    with pytest.raises(InputError, match="pairs: expected some in at least two folds, got 3 in 1"):
        ten_fold_accuracy(np.array([0.1, 0.5, 0.9]), np.array([False, True, True]), np.zeros(3, int))
    with pytest.raises(InputError, match="at least two folds, got 0 in 0"):
        ten_fold_accuracy(np.zeros(0), np.zeros(0, bool), np.zeros(0, int))
