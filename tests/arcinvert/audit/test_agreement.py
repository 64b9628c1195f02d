"""Agreement of judges by hand."""

import numpy as np
import pytest

from arcinvert.audit.agreement import agreements, cohens_kappa


def test_kappa_of_a_worked_case() -> None:
    # Cohen's table of 50 cases: both accept 20, both reject 15, one alone accepts 5 and 10.
    first = np.repeat([True, True, False, False], [20, 5, 10, 15])
    second = np.repeat([True, False, True, False], [20, 5, 10, 15])
    assert cohens_kappa(first, second) == pytest.approx((0.7 - 0.5) / (1 - 0.5))
    assert cohens_kappa(first, first) == 1
    assert cohens_kappa(first, ~first) < 0


def test_agreement_of_every_two_judges() -> None:
    generator = np.random.default_rng(0)
    one = generator.random((100, 2)) < 0.5
    same, chance, nobody = one.copy(), generator.random((100, 2)) < 0.5, np.zeros((100, 2), bool)
    found = agreements(["a", "b", "c", "d"], [one, same, chance, nobody])
    assert [entry["judges"] for entry in found] == [
        list(pair) for pair in ("ab", "ac", "ad", "bc", "bd", "cd")
    ]
    equal, kappa = found[0]["equal"], found[0]["kappa"]
    assert (equal["value"], equal["identities"], equal["comparisons"]) == (1, 100, 200)
    assert (kappa["value"], kappa["high"]) == (1, 1)
    # 200 equal verdicts of 100 people may be less than certain: exact for 100, by the chance of these shares.
    chance_share = one.mean() ** 2 + (1 - one.mean()) ** 2
    assert kappa["low"] == pytest.approx((0.025 ** (1 / 100) - chance_share) / (1 - chance_share))
    assert found[1]["equal"]["value"] == pytest.approx((one == chance).mean())
    assert found[1]["kappa"]["low"] < 0 < found[1]["kappa"]["high"]
    # A judge who accepts nobody agrees as chance does.
    assert found[2]["kappa"]["value"] == pytest.approx(0)


def test_kappa_is_left_out_where_it_means_nothing() -> None:
    nobody = np.zeros((5, 1), bool)
    (found,) = agreements(["a", "b"], [nobody, nobody])
    assert found["kappa"] is None
    assert found["equal"]["value"] == 1
    assert agreements(["a"], [nobody]) == []
