"""Estimates of time: measured once for each network, and never made longer by what else the machine does."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.speed import StepTimes, measuring_text, rounded, seconds_per_step
from arcinvert import Attacker, AttackOptions
from arcinvert.resolve import resolve
from recognition.errors import InputError


class Stub(SimpleNamespace):
    """Something that times are kept for."""

    __hash__ = object.__hash__


def test_a_network_is_measured_once_and_the_fewest_seconds_count(monkeypatch: pytest.MonkeyPatch) -> None:
    measured = iter([0.2, 0.7, 0.1, 0.5])
    monkeypatch.setattr("app.speed.seconds_per_step", lambda attacker, images: next(measured))

    first, second = Stub(name="first"), Stub(name="second")
    times: Any = StepTimes()
    assert [times.of(first), times.of(first)] == [0.2, 0.2]
    assert times.of(second) == 0.7
    assert [times.measured(first), times.of(first)] == [0.1, 0.1]
    assert [times.measured(first), times.of(first)] == [0.1, 0.1]


def test_a_step_of_a_batch_is_measured_at_two_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.speed.seconds_per_step", lambda attacker, images: 0.3 + 0.1 * images)

    given: Any = Stub()
    step = StepTimes().of_batches(given)
    assert [step.of(images) for images in (1, 4, 16)] == pytest.approx([0.4, 0.7, 1.9])


def test_a_step_of_more_images_takes_more_passes(tiny_attacker: Attacker) -> None:
    assert 0 < seconds_per_step(tiny_attacker) < 60
    assert 0 < seconds_per_step(tiny_attacker, 8) < 60


@pytest.fixture
def unmeasured(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Attacker:
    """A network that was never used, with an empty cache."""
    monkeypatch.delenv("ARCINVERT_NO_CALIBRATE")
    monkeypatch.setenv("ARCINVERT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("arcinvert.knowledge.first_use.COUNT", 24)
    return Attacker(tiny_model, device="cpu")


def test_the_first_use_is_estimated_until_the_cache_has_it(
    unmeasured: Attacker, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two seconds for eight faces; of all, the activations of ten are measured.
    clock = iter([0.0, 2.0])
    monkeypatch.setattr("app.speed.seconds_per_step", lambda attacker, images: 3.3)
    monkeypatch.setattr("app.speed.ACTIVATION_FACES", 10)
    monkeypatch.setattr("app.speed.time.perf_counter", lambda: next(clock))
    times = StepTimes()
    first = times.first_use(unmeasured)
    assert first.seconds == pytest.approx(10 * 0.25 + 14 * 1.5)
    assert measuring_text(first) == (
        " Before that, the network is measured on synthetic faces, once: about 25 s."
    )
    # It is tried once, and nothing of it is kept.
    assert times.first_use(unmeasured) is first
    assert unmeasured.knowledge.statistics is None
    assert not (tmp_path / "cache").exists()
    options = AttackOptions(samples=1, steps=50)
    lengths = [resolve(options, unmeasured.recogniser, first.knowledge, "template")]
    unmeasured.measure(AttackOptions(), lambda done, of: None)
    lengths.append(unmeasured.plan("template", samples=1, steps=50))
    assert lengths[0].steps_per_batch == lengths[1].steps_per_batch == 98
    assert lengths[0].most_further_steps == lengths[1].most_further_steps
    # Now neither this network nor the same one, loaded again, is measured.
    for attacker in (unmeasured, Attacker(tiny_model, device="cpu")):
        found = times.first_use(attacker)
        assert (found.seconds, measuring_text(found)) == (0, "")
        assert found.knowledge.nearest_neighbours is not None


def test_no_first_use_where_the_environment_switches_it_off(tiny_attacker: Attacker) -> None:
    assert StepTimes().first_use(tiny_attacker).seconds == 0


def test_a_network_without_layers_to_measure_has_no_first_use(
    unmeasured: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*given: Any) -> None:
        raise InputError("statistics: expected layers to measure, found none")

    monkeypatch.setattr("app.speed.measure_synthetic", refuse)
    assert StepTimes().first_use(unmeasured).seconds == 0


def test_durations_in_words() -> None:
    assert [rounded(0.2), rounded(2.4), rounded(7), rounded(38), rounded(61), rounded(200)] == [
        "about 1 s",
        "about 2 s",
        "about 7 s",
        "about 40 s",
        "about 1 minute",
        "about 3 minutes",
    ]
