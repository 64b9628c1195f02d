"""The figures of the benchmark of ages, on numbers that are made up."""

import numpy as np
import pytest

from benchmarks.age import HEADS, Found, figures
from benchmarks.pose import table


def found(age: list[float], accepted: list[bool]) -> Found:
    return Found(np.array(age), np.array(accepted))


def test_errors_are_distances_from_photographs_of_the_wanted_age() -> None:
    photographs = np.array([48.0, 52.0, 50.0])
    aged = found([46.0, 50.0, 51.0, 61.0], [True, True, False, False])
    without = found([30.0, 40.0, 50.0, 60.0], [True, True, True, False])
    row = figures(photographs, aged, without)
    assert row.photographs.value == 50
    assert row.reading.value == 52
    assert row.error.value == pytest.approx((4 + 0 + 1 + 11) / 4)
    assert row.floor.value == pytest.approx((20 + 10 + 0 + 10) / 4)
    assert row.ceiling.value == pytest.approx(4 / 3)
    assert (row.sar.value, row.change.value) == (0.5, -0.25)
    head, _, line = table(HEADS, {"65": row}).splitlines()
    assert head.count("|") == line.count("|")
    assert line.startswith("| 65 | 50.00 [")
