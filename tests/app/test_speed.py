"""Estimates of time: measured once for each network, and never made longer by what else the machine does."""

from types import SimpleNamespace
from typing import Any

import pytest

from app.speed import StepTimes, rounded


def test_a_network_is_measured_once_and_the_fewest_seconds_count(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = iter([0.2, 0.7, 0.1, 0.5])
    monkeypatch.setattr("app.speed.seconds_per_step", lambda attacker: next(measured))

    class Attacker(SimpleNamespace):
        __hash__ = object.__hash__

    first, second = Attacker(name="first"), Attacker(name="second")
    times: Any = StepTimes()
    assert [times.of(first), times.of(first)] == [0.2, 0.2]
    assert times.of(second) == 0.7
    assert [times.measured(first), times.of(first)] == [0.1, 0.1]
    assert [times.measured(first), times.of(first)] == [0.1, 0.1]


def test_durations_in_words() -> None:
    assert [rounded(0.2), rounded(2.4), rounded(7), rounded(38), rounded(61), rounded(200)] == [
        "about 1 s",
        "about 2 s",
        "about 7 s",
        "about 40 s",
        "about 1 minute",
        "about 3 minutes",
    ]
