"""Paired tests against scipy, and Holm's correction by hand and by simulation."""

import numpy as np
import pytest
import scipy.stats

from recognition.metrics.hypotheses import holm, paired_p_value


@pytest.mark.parametrize("count", [2, 16, 64])
def test_the_paired_test_is_that_of_scipy(count: int) -> None:
    generator = np.random.default_rng(count)
    before, after = generator.normal(size=(2, count))
    expected = scipy.stats.ttest_rel(after, before).pvalue
    assert paired_p_value(after - before) == pytest.approx(expected)


def test_without_variation() -> None:
    assert paired_p_value([0.0, 0.0, 0.0]) == 1.0
    assert paired_p_value([0.5, 0.5, 0.5]) == 0.0
    assert paired_p_value([0.5]) == 1.0


def test_holm_by_hand() -> None:
    # 0.01 * 4, 0.02 * 3, 0.03 * 2 is less than the one before, 0.9 * 1.
    assert holm([0.03, 0.01, 0.9, 0.02]) == pytest.approx([0.06, 0.04, 0.9, 0.06])
    assert holm([0.5, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


def test_of_forty_tests_without_an_effect_one_in_twenty_families_errs() -> None:
    generator = np.random.default_rng(0)
    errs = []
    for _ in range(300):
        differences = generator.normal(size=(40, 64))
        errs.append(min(holm([paired_p_value(row) for row in differences])) < 0.05)
    assert np.mean(errs) <= 0.08
