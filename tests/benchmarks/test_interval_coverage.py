"""The table of simulated coverage, with few repetitions."""

import numpy as np

from benchmarks import interval_coverage
from benchmarks.interval_coverage import row, rows, table


def test_coverage_is_that_of_the_worst_truth() -> None:
    good = (np.zeros(4), np.ones(4))
    half = (np.array([0.0, 0.0, 0.6, 0.6]), np.array([0.4, 1.0, 1.0, 1.0]))
    found = row("one", 12, [(0.5, good), (0.5, half)])
    assert (found.coverage, found.people) == (0.25, 12)
    assert found.low < 0.25 < found.high
    assert found.width == 1.0


def test_every_kind_of_figure_is_in_the_table(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(interval_coverage, "POPULATION", 300)
    monkeypatch.setattr("recognition.metrics.intervals.REPLICATES", 60)
    made = rows(8, 0)
    assert len({one.figure for one in made}) == 18
    assert all(0 <= one.coverage <= 1 and one.width > 0 for one in made)
    assert len(table(made).splitlines()) == 2 + len(made)
