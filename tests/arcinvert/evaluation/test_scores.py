"""Verdicts and summaries worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from arcinvert.evaluation import scores
from arcinvert.evaluation.calibration import Threshold
from arcinvert.evaluation.scores import (
    Reference,
    Verdict,
    accept,
    gap_closed,
    judge_images,
    summarise,
)
from arcinvert.output.sheet import summary_line

THRESHOLDS = [
    Threshold(0.01, 0.4, 0.4, 0.4, 0.01, 0.9, 1000, 100, 50),
    Threshold(0.001, 0.6, 0.6, 0.6, 0.001, 0.8, 10_000, 100, 50),
]


class FakeJudge:
    """Embeds an image as its top left pixel's channels, in units of 100."""

    def embed(self, crops: list[NDArray[np.uint8]]) -> NDArray[np.float64]:
        return np.array([crop[0, 0] / 100 for crop in crops])


def picture(red: int, green: int = 0) -> NDArray[np.uint8]:
    return np.full((112, 112, 3), (red, green, 0), dtype=np.uint8)


def place(x: float, y: float = 0.0) -> NDArray[np.float64]:
    return np.array([x, y, 0.0])


@pytest.fixture
def _detector_of_red(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "face_detected", lambda image: bool(image[0, 0, 0] > 150))


def judged(images: list[NDArray[np.uint8]], references: list[Reference]) -> list[Verdict]:
    return judge_images(FakeJudge(), images, picture(100), references, THRESHOLDS)  # type: ignore[arg-type]


@pytest.mark.usefixtures("_detector_of_red")
def test_verdicts_by_hand() -> None:
    references = [Reference(place(2.0), place(1.9, 0.1), 0.7), Reference(second=place(1.0, 0.5))]
    first, second = judged([picture(190, 40), picture(100, 20)], references)
    # Distances: (0.1, 0.4) and (0, 0.3); of the floor at (1, 0): 1 and (0.9, 0.1).
    assert first.type_1 == pytest.approx(1 - np.hypot(0.1, 0.4))
    assert first.type_2 == pytest.approx(0.7)
    assert first.floor_type_1 == pytest.approx(0.0)
    assert first.floor_type_2 == pytest.approx(1 - np.hypot(0.9, 0.1))
    assert first.ceiling == 0.7
    assert first.accepted == {"0.01": True, "0.001": True}
    assert first.face_detected is True
    assert second.type_1 is None
    assert second.type_2 == pytest.approx(0.7)
    assert second.floor_type_1 is None
    assert second.floor_type_2 == pytest.approx(0.5)
    assert second.ceiling is None
    assert second.face_detected is False


@pytest.mark.usefixtures("_detector_of_red")
def test_type_2_decides_where_there_is_one() -> None:
    both, source_only, none = judged(
        [picture(100), picture(100), picture(100)],
        [Reference(place(1.0), place(1.5)), Reference(place(1.5)), Reference()],
    )
    assert (both.type_1, both.type_2) == (1.0, 0.5)
    assert both.accepted == {"0.01": True, "0.001": False}
    assert (source_only.type_1, source_only.type_2) == (0.5, None)
    assert source_only.accepted == {"0.01": True, "0.001": False}
    assert (none.type_1, none.type_2, none.accepted) == (None, None, None)


@pytest.mark.usefixtures("_detector_of_red")
def test_references_must_be_one_an_image() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        judged([picture(1), picture(2)], [Reference()])


def test_accept_is_above_and_not_at_the_threshold() -> None:
    assert accept(0.4, THRESHOLDS) == {"0.01": False, "0.001": False}
    assert accept(0.41, THRESHOLDS) == {"0.01": True, "0.001": False}
    assert accept(0.61, THRESHOLDS) == {"0.01": True, "0.001": True}
    assert accept(-1.0, THRESHOLDS) == {"0.01": False, "0.001": False}


VERDICTS = [
    # Two samples of one person, one of another.
    Verdict(0.9, 0.5, {"0.01": True, "0.001": False}, 0.1, 0.3, 0.8, True),
    Verdict(0.8, 0.7, {"0.01": True, "0.001": True}, 0.1, 0.3, 0.8, False),
    Verdict(0.7, 0.2, {"0.01": False, "0.001": False}, 0.3, 0.45, 0.5, True),
]
NAMES = ["a", "a", "b"]


def test_summary_by_hand() -> None:
    summary = summarise(VERDICTS, NAMES, [0.9, 0.7, 0.6], THRESHOLDS)
    assert (summary["samples"], summary["identities"], summary["kind"]) == (3, 2, "type_2")
    values = {
        name: summary[name]["value"]
        for name in ("attacked_similarity", "face_detected", "similarity", "floor", "ceiling")
    }
    assert values == pytest.approx(
        {
            "attacked_similarity": 0.7,
            "face_detected": 0.75,
            "similarity": 0.4,
            "floor": 0.375,
            "ceiling": 0.65,
        }
    )
    shares = {
        rate: {kind: figure["value"] for kind, figure in sar.items()} for rate, sar in summary["sar"].items()
    }
    # The attacked network prefers the first sample of a, with a cosine of 0.9.
    assert shares == {
        "0.01": {"attack": 0.5, "best_of_n": 0.5, "any_of_n": 0.5, "floor": 0.5, "ceiling": 1.0},
        "0.001": {"attack": 0.25, "best_of_n": 0.0, "any_of_n": 0.5, "floor": 0.0, "ceiling": 0.5},
    }
    assert summary["missing"] == {"second_photograph": 0, "source_photograph": 0, "ceiling": 0}
    assert summary["gap_closed"]["value"] == pytest.approx((0.4 - 0.375) / (0.65 - 0.375))
    assert summary["similarity"]["identities"] == summary["gap_closed"]["identities"] == 2


def test_summary_of_type_1_alone() -> None:
    verdicts = [replace(verdict, type_2=None, floor_type_2=None, ceiling=None) for verdict in VERDICTS]
    summary = summarise(verdicts, NAMES, [0.9, 0.7, 0.6], THRESHOLDS)
    assert summary["kind"] == "type_1"
    assert summary["similarity"]["value"] == pytest.approx((0.85 + 0.7) / 2)
    assert summary["floor"]["value"] == pytest.approx(0.2)
    assert summary["ceiling"] is None
    assert {rate: sar["attack"]["value"] for rate, sar in summary["sar"].items()} == {
        "0.01": 1.0,
        "0.001": 1.0,
    }
    assert all(sar["ceiling"] is None for sar in summary["sar"].values())
    assert summary["gap_closed"] is None
    assert summary["missing"] == {"second_photograph": 2, "source_photograph": 0, "ceiling": 2}


def hundred() -> tuple[list[Verdict], list[str], list[float]]:
    """99 people with a second photograph, of whom 40 pass, and one without."""
    passing = Verdict(0.9, 0.5, {"0.01": True}, 0.1, 0.2, 0.8, True)
    failing = replace(passing, type_2=0.3)
    alone = Verdict(1.0, None, {"0.01": True}, 0.1, None, None, True)
    verdicts = [passing] * 40 + [failing] * 59 + [alone]
    return verdicts, [f"person {number}" for number in range(100)], [0.9] * 100


def test_one_person_without_a_second_photograph_takes_it_from_nobody_else() -> None:
    summary = summarise(*hundred(), THRESHOLDS)
    assert (summary["kind"], summary["identities"]) == ("type_2", 100)
    assert summary["missing"] == {"second_photograph": 1, "source_photograph": 0, "ceiling": 1}
    for figure in (summary["similarity"], summary["floor"], summary["ceiling"], summary["gap_closed"]):
        assert figure["identities"] == 99
    sar = summary["sar"]["0.01"]
    assert (sar["attack"]["value"], sar["attack"]["identities"]) == (pytest.approx(40 / 99), 99)
    assert (sar["ceiling"]["value"], sar["ceiling"]["identities"]) == (1.0, 99)
    assert (sar["best_of_n"], sar["any_of_n"]) == (None, None)
    assert summary["attacked_similarity"]["identities"] == summary["face_detected"]["identities"] == 100
    assert summary["gap_closed"]["value"] == pytest.approx((0.3 + 0.2 * 40 / 99 - 0.2) / 0.6)
    line = summary_line(summary)
    assert line.startswith(
        "Type II, 99 identities (1 without a second photograph): SAR at FMR 1 in 100: 0.40 [0.3"
    )
    assert "gap closed" in line


def test_a_missing_ceiling_is_counted_and_not_contagious() -> None:
    verdicts, names, cosines = hundred()
    verdicts[0] = replace(verdicts[0], ceiling=None)
    summary = summarise(verdicts, names, cosines, THRESHOLDS)
    assert summary["missing"]["ceiling"] == 2
    assert summary["similarity"]["identities"] == summary["sar"]["0.01"]["attack"]["identities"] == 99
    assert summary["ceiling"]["identities"] == summary["gap_closed"]["identities"] == 98
    assert summary["sar"]["0.01"]["ceiling"]["identities"] == 98
    # The gap is that of the 98, of whom 39 pass.
    assert summary["gap_closed"]["value"] == pytest.approx((0.3 + 0.2 * 39 / 98 - 0.2) / 0.6)
    assert "ceiling 1.00 [0.96, 1.00] of 98" in summary_line(summary)


def test_the_uncertainty_of_the_threshold_is_in_the_share() -> None:
    uncertain = [replace(THRESHOLDS[0], low=0.25, high=0.55)]
    summary = summarise(*hundred(), uncertain)["sar"]["0.01"]["attack"]
    # All of 99 are above 0.25, nobody is above 0.55.
    assert (summary["low"], summary["high"]) == (0.0, 1.0)


def test_no_gap_is_closed_where_there_is_none() -> None:
    verdicts = [replace(verdict, ceiling=verdict.floor_type_2) for verdict in VERDICTS]
    assert summarise(verdicts, NAMES, [0.9, 0.7, 0.6], THRESHOLDS)["gap_closed"] is None


def test_summary_without_references() -> None:
    verdict = Verdict(None, None, None, None, None, None, True)
    summary = summarise([verdict, verdict], ["a", "b"], [0.5, 0.7], THRESHOLDS)
    assert summary["kind"] is None
    assert summary["attacked_similarity"]["value"] == pytest.approx(0.6)
    assert summary["face_detected"]["value"] == 1.0
    assert not {"similarity", "floor", "ceiling", "sar", "gap_closed"} & set(summary)


def test_gap_closed() -> None:
    found = gap_closed(np.array([0.5, 0.7]), np.array([0.2, 0.3]), np.array([0.8, 0.5]))
    assert found is not None
    assert found.value == pytest.approx((0.6 - 0.25) / (0.65 - 0.25))
    assert gap_closed(np.array([0.5]), np.array([0.8]), np.array([0.2])) is None
