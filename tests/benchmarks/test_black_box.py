"""The curve of black boxes: whom it attacks, and what a row shows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcinvert.run import Run
from benchmarks import black_box


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Path]]:
    """Eight people: four held out, with one to three photographs each."""
    found = {
        f"{kind}{number}": [Path(f"{kind}{number}/{index}.jpg") for index in range(1 + number % 3)]
        for kind in ("held", "seen")
        for number in range(1, 5)
    }
    monkeypatch.setattr(black_box, "read_folders", lambda photos: found)
    monkeypatch.setattr(
        black_box,
        "load_notes",
        lambda path: {"split": {"held_out": [name for name in found if name.startswith("held")]}},
    )
    monkeypatch.setattr(black_box, "usable_pair", lambda paths: (paths[0], paths[1]))
    return found


@pytest.mark.parametrize(("tuning", "kind"), [(False, "held"), (True, "seen")])
def test_settings_are_tuned_on_others_than_are_reported(
    folders: dict[str, list[Path]], tuning: bool, kind: str
) -> None:
    found = black_box.people(Path(), 10, tuning=tuning)
    # Whoever has one photograph has none for the judge.
    assert [path.parent.name for path in found] == [f"{kind}1", f"{kind}2", f"{kind}4"]
    assert black_box.people(Path(), 2, tuning=tuning) == black_box.people(Path(), 2, tuning=tuning)


def run_of(kind: str, similarities: list[float], answers: list[float | None]) -> Run:
    figure = {"value": 0.5, "low": 0.25, "high": 0.75}
    access: dict[str, Any] = {
        "kind": kind,
        "queries": {"most_for_one_person": 1000, "retries": 7},
        "own_opinion": [{"answer": answer} for answer in answers],
    }
    samples = [
        {"input": str(number), "attacked_similarity": value} for number, value in enumerate(similarities)
    ]
    summary = {"similarity": figure, "sar": {"0.01": {"attack": figure}, "0.001": {"attack": figure}}}
    return Run([], samples, summary, {"access": access}, np.zeros((1, 1, 3), np.uint8), None, False)


def test_a_row_has_the_targets_own_opinion_apart() -> None:
    row = black_box.Row("scores", run_of("scores", [0.9] * 5, [0.2, 0.4, None, 0.4, 0.6]), accepted=0.3)
    queries, retries, *judged, similarity, accepted = row.cells()
    assert (queries, retries) == ("1,000", "7")
    assert judged == ["0.500 [0.250, 0.750]"] * 3
    assert similarity.startswith("0.400 [")
    assert accepted.startswith("0.750 [")


def test_decisions_are_the_targets_own() -> None:
    row = black_box.Row("decisions", run_of("decisions", [0.9, 0.9], [1.0, 0.0]), accepted=0.3)
    assert row.cells()[-2] == "-"
    assert row.cells()[-1].startswith("0.500 [")
