"""Differences of shares accepted at one threshold, and D_sys with its interval."""

import numpy as np
import pytest

from arcinvert.audit.defences import linkability
from arcinvert.audit.defences.base import unit_norm
from arcinvert.audit.defences.linkability import estimate_linkability
from arcinvert.audit.evidence import share_difference
from arcinvert.audit.metrics import Comparisons, compare_all, system_linkability
from recognition.metrics import intervals
from recognition.metrics.intervals import estimate_share_difference
from recognition.metrics.thresholds import DecisionThreshold


def test_a_difference_has_the_uncertainty_of_its_threshold() -> None:
    after, before = np.array([[0.1], [0.5], [0.7], [0.9]]), np.array([[0.1], [0.3], [0.3], [0.55]])
    exact = share_difference(after, before, DecisionThreshold(0.01, 0.6, 0.6, 0.6))
    own = estimate_share_difference([0, 0, 1, 1], [0, 0, 0, 0])
    assert (exact.value, exact.low, exact.high) == (own.value, own.low, own.high)
    # At 0.4 a difference of 0.5 too, at 0.8 of 0.25: the lower end moves, and the upper one stays.
    wide = share_difference(after, before, DecisionThreshold(0.01, 0.6, 0.4, 0.8))
    assert wide.low == pytest.approx(0.5 - np.hypot(0.5 - own.low, 0.25))
    assert wide.high == own.high


def drawn(seed: int, people: int, noise: float) -> tuple[Comparisons, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), 2)
    rows = generator.normal(size=(people, 16))[labels] + noise * generator.normal(size=(2 * people, 16))
    return compare_all(unit_norm(rows), unit_norm(rows), labels, "cosine"), labels


@pytest.mark.parametrize("noise", [0.8, 4.0])
def test_linkability_has_an_interval_over_people(noise: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "REPLICATES", 200)
    monkeypatch.setattr(linkability, "_PERMUTATIONS", 20)
    found = [estimate_linkability(*drawn(seed, 40, noise), seed=0) for seed in range(25)]
    figures = [one.figure for one in found if one is not None]
    everybody, _ = drawn(99, 400, noise)
    truth = system_linkability(everybody.mated, everybody.nonmated.similarities, bins=20)
    assert len(figures) == 25
    assert sum(one.low <= truth <= one.high for one in figures) >= 21
    spread = np.std([one.value for one in figures])
    half = np.mean([(one.high - one.low) / 2 for one in figures])
    assert spread < half < 4 * spread
    assert {(one.identities, one.low >= 0, one.high <= 1) for one in figures} == {(40, True, True)}


def test_chance_links_a_little_where_pairs_are_few() -> None:
    found = estimate_linkability(*drawn(0, 10, 1e6), seed=0)
    assert found is not None
    assert 0 < found.chance.low < found.chance.value < found.chance.high
    assert found.figure.low <= found.chance.high


def test_without_pairs_of_one_person_nothing_is_linked() -> None:
    rows = unit_norm(np.random.default_rng(0).normal(size=(5, 4)))
    labels = np.arange(5)
    assert estimate_linkability(compare_all(rows, rows, labels, "cosine"), labels, seed=0) is None
