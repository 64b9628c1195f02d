"""Similarities of all pairs by blocks: the histogram says what the sorted similarities say."""

import tracemalloc

import numpy as np
import pytest

from recognition.metrics import verification
from recognition.metrics.similarities import (
    BINS,
    NonmatedHistogram,
    count_nonmated,
    nonmated_similarities,
    pair_similarities,
)
from recognition.metrics.verification import make_pairs, verify


def exact_embeddings(images: int, seed: int = 0) -> np.ndarray:
    """Return embeddings whose similarities float32 holds exactly, in whatever order they are summed."""
    generator = np.random.default_rng(seed)
    return (generator.integers(-3, 4, size=(images, 12)) / 16).astype(np.float32)


def unit_embeddings(labels: np.ndarray, spread: float = 0.7) -> np.ndarray:
    generator = np.random.default_rng(1)
    centres = generator.normal(size=(labels.max() + 1, 16))
    found = centres[labels] + spread * generator.normal(size=(len(labels), 16))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


LABELS = np.random.default_rng(2).integers(0, 25, size=90)


@pytest.mark.parametrize("block", [1, 7, 1000, 1 << 20])
def test_the_histogram_is_of_all_pairs_whatever_the_block(block: int) -> None:
    embeddings = exact_embeddings(len(LABELS))
    values = nonmated_similarities(embeddings, LABELS).astype(np.float64)
    histogram = NonmatedHistogram(embeddings, LABELS, block=block)
    assert histogram.pairs == len(values) == count_nonmated(LABELS)
    edges = np.arange(BINS + 1) * 2 / BINS - 1
    assert np.array_equal(histogram.counts, np.histogram(values, edges)[0])
    ranked = np.sort(values)[::-1]
    places = [0, 1, 2, 50, len(values) // 2, len(values) - 1]
    for above, found in zip(places, histogram.ranks(places), strict=True):
        assert (found.value, found.above) == (ranked[above], (values > ranked[above]).sum())
    for wrong in (-1, len(values)):
        with pytest.raises(ValueError, match="expected indices from 0 to"):
            histogram.ranks([wrong])


def test_rates_are_exact_at_every_threshold() -> None:
    embeddings = exact_embeddings(40)
    labels = LABELS[:40]
    values = nonmated_similarities(embeddings, labels).astype(np.float64)
    histogram = NonmatedHistogram(embeddings, labels)
    thresholds, far = histogram.thresholds(), histogram.far()
    for index in (0, 1, BINS // 3, BINS // 2, BINS // 2 + 1, BINS - 1, BINS):
        assert far[index] == (values > thresholds[index]).mean()


def test_similarities_that_rounding_moved_past_one() -> None:
    embeddings = np.array([[1.0001], [1], [-1], [-1.0001]], dtype=np.float64)
    histogram = NonmatedHistogram(embeddings, np.arange(4))
    assert (histogram.counts[0], histogram.counts[-1]) == (4, 2)
    assert (histogram.far()[0], histogram.far()[-1]) == (1, 0)
    assert histogram.ranks([0])[0].value == 1.0001


def test_all_similarities_are_equal() -> None:
    histogram = NonmatedHistogram(np.ones((30, 1), dtype=np.float32) / 2, np.arange(30), block=10)
    (found,) = histogram.ranks([100])
    assert (found.value, found.above) == (0.25, 0)


def test_verification_of_many_images_equals_that_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.sort(LABELS)
    embeddings = unit_embeddings(labels)
    kept = verify(embeddings, labels, fmrs=(0.2, 0.05), intervals=True)
    monkeypatch.setattr(verification, "MAX_KEPT_PAIRS", 10)
    counted = verify(embeddings, labels, fmrs=(0.2, 0.05), intervals=True)
    for mine, others in (
        (counted.fmr_estimates, kept.fmr_estimates),
        (counted.tar_estimates, kept.tar_estimates),
    ):
        for figure, other in zip(mine, others, strict=True):
            assert (figure.low, figure.high) == pytest.approx((other.low, other.high), abs=1e-3)
    assert counted.accuracy == kept.accuracy
    for point, other in zip(counted.points, kept.points, strict=True):
        # The products of other blocks may differ in float32's last bit.
        assert point.threshold == pytest.approx(other.threshold, abs=1e-6)
        assert point.realised_fmr == pytest.approx(other.realised_fmr, abs=1.5 / other.nonmated)
        assert (point.tar, point.mated, point.nonmated) == (other.tar, other.mated, other.nonmated)
    assert counted.eer == pytest.approx(kept.eer, abs=1e-4)
    # The curve passes through the points of the exact one, and falls and rises as it does.
    assert np.all(np.diff(counted.curve.far) >= 0)
    assert np.all(np.diff(counted.curve.frr) <= 0)
    for rate in (0.3, 0.1, 0.02):
        at = np.searchsorted(kept.curve.far, rate, side="right") - 1
        near = np.searchsorted(counted.curve.far, rate, side="right") - 1
        assert counted.curve.frr[near] == pytest.approx(kept.curve.frr[at], abs=1e-9)


def test_verification_of_many_images_of_few_people_has_no_operating_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = np.repeat(np.arange(22), 4)
    embeddings = unit_embeddings(labels)
    kept = verify(embeddings, labels)
    monkeypatch.setattr(verification, "MAX_KEPT_PAIRS", 10)
    counted = verify(embeddings, labels)
    assert counted.points == kept.points == ()
    assert (counted.accuracy, counted.nonmated) == (kept.accuracy, kept.nonmated)
    assert counted.eer == pytest.approx(kept.eer, abs=1e-4)
    assert NonmatedHistogram(embeddings, labels).ranks([]) == []


def test_pairs_of_blocks_are_those_of_all_at_once() -> None:
    labels = np.arange(9000) % 100
    embeddings = unit_embeddings(labels)
    indices = np.random.default_rng(0).integers(0, 9000, size=(10_000, 2))
    wanted = (embeddings[indices[:, 0]] * embeddings[indices[:, 1]]).sum(1)
    assert np.array_equal(pair_similarities(embeddings, indices), wanted)


def test_pairs_of_one_person_are_not_listed() -> None:
    # All pairs of one person would be 200 MB, as two indices of eight bytes each.
    labels = np.repeat(np.arange(20), 5000)
    tracemalloc.start()
    pairs = make_pairs(labels)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 << 20
    first, second = pairs.indices[pairs.mated].T
    assert np.array_equal(labels[first], labels[second])
    assert np.all(first < second)
    assert np.bincount(labels[first]).tolist() == [10] * 20
