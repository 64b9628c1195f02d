"""The ablation's rows and its differences; no attack is run."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arcinvert.options import AttackOptions, choices
from benchmarks import ablation
from benchmarks import judged as judged_table
from benchmarks.ablation import BARE, DEFAULT, Change, chosen, differences, rows
from benchmarks.judged import Row, judged
from recognition.errors import InputError
from tests.benchmarks.test_judged import PEOPLE, SELVES, kept
from tests.benchmarks.test_judged import panel as panel


def test_every_row_is_an_attack_of_its_own():
    made = {name: AttackOptions(**row.changes) for name, row in rows().items()}
    assert made[DEFAULT] == AttackOptions()
    others = [options for name, options in made.items() if name != DEFAULT]
    assert AttackOptions() not in others
    assert len(made) == len(set(made.values()))
    assert all("," not in name and "/" not in name for name in made)


@pytest.mark.parametrize("option", ["prior", "start", "parametrisation"])
def test_every_value_of_an_option_is_tried(option):
    values = {getattr(AttackOptions(**row.changes), option) for row in rows().values()}
    assert values | {"auto"} == set(choices(option)) | {"auto"}


def test_the_bare_attack_has_no_ingredient_and_the_last_has_all():
    made = {name: AttackOptions(**row.changes) for name, row in rows().items()}
    bare = made[BARE]
    assert (bare.start, bare.prior, bare.flip, bare.shift, bare.scale) == ("mean", "none", False, 0, 0)
    assert (bare.tv_weight, bare.colour_weight, bare.feature_dropout) == (0, 0, 0)
    added = [name for name, row in rows().items() if row.against == BARE]
    whole = made[max(added, key=len)]
    ours = AttackOptions()
    assert (whole.tv_weight, whole.colour_weight) == (ours.tv_weight, 4)
    assert (whole.flip, whole.shift, whole.prior) == (True, 2, "per-location")
    # Alone: one option is not the bare attack's.
    alone = {name for name in added if name.count("+") == 1}
    assert alone == {f"bare+{name}" for name in ablation.INGREDIENTS}
    for name in alone:
        fields = vars(made[name])
        assert sum(fields[key] != vars(bare)[key] for key in fields) == 1


def test_rows_bring_those_that_they_are_compared_with():
    assert list(chosen(["bare+tv", "tv=off"])) == [DEFAULT, "tv=off", BARE, "bare+tv"]
    assert list(chosen([DEFAULT])) == [DEFAULT]
    assert chosen(None) == rows()
    with pytest.raises(InputError, match=r"^rows: expected some of default, .* got 'soup'$"):
        chosen(["tv=off", "soup"])


def a_row(panel: Any, similarities: list[float]) -> Row:
    row = judged(panel, SELVES, [True] * PEOPLE, np.zeros(128))
    return replace(row, similarities=np.array(similarities))


def test_differences_are_paired(panel):
    changes = {"a": Change({}, None), "b": Change({}, "a"), "c": Change({}, "b"), "d": Change({}, "x")}
    # The people differ much, the rows little.
    results = {
        "a": a_row(panel, [0.1, 0.9, 0.5, 0.3, 0.7]),
        "b": a_row(panel, [0.2, 1.0, 0.6, 0.4, 0.8]),
        "c": a_row(panel, [0.2, 1.1, 0.5, 0.4, 0.8]),
        "d": a_row(panel, [0.0] * 5),
    }
    found = differences(results, changes, panel.names)
    assert set(found) == {"b", "c"}
    assert (found["b"].value, found["b"].low, found["b"].high) == pytest.approx((0.1, 0.1, 0.1))
    assert found["b"].identities == PEOPLE
    assert found["c"].value == pytest.approx(0)
    assert found["c"].low < 0 < found["c"].high


def test_what_is_made_is_judged_and_written_and_not_made_again(panel, tmp_path, monkeypatch):
    given = Namespace(
        photos=tmp_path,
        model=tmp_path / "model.onnx",
        people=PEOPLE,
        steps=7,
        statistics="",
        rows=["tv=off", "prior=per-location"],
        seed=3,
        out=tmp_path / "out",
    )
    given.model.write_bytes(b"network")
    attacked: list[str] = []

    def attack(name: str, panel: Any, wanted: dict[str, Any], folder: Path, **_: Any) -> None:
        attacked.append(name)
        if wanted.get("prior") == "per-location":
            raise InputError("model: expected statistics of each place")
        assert (wanted["steps"], wanted["seed"]) == (7, 3)
        kept(folder, panel, given.model, AttackOptions(**wanted))

    class SomeJudge:
        def embed(self, crops: list[Any]) -> np.ndarray:
            return SELVES[: len(crops)]

    monkeypatch.setattr(ablation, "make", attack)
    monkeypatch.setattr(judged_table, "DlibJudge", SomeJudge)
    monkeypatch.setattr(judged_table, "face_detected", lambda crop: True)
    monkeypatch.setattr(ablation, "make_panel", lambda *_, tuning: panel if tuning else None)
    ablation.compare(given)
    assert attacked == [DEFAULT, "prior=per-location", "tv=off"]
    text = (given.out / "table.md").read_text(encoding="utf-8")
    titles = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    assert titles == ["", "---", DEFAULT, "tv=off", "floor: mean face", "ceiling: the photograph"]
    lines = text.splitlines()
    assert lines[0].endswith("| Type II, difference | to |")
    assert lines[2].endswith("| - | - |")
    assert lines[3].endswith("| 0.000 [0.000, 0.000] | default |")
    attacked.clear()
    ablation.compare(given)
    assert attacked == ["prior=per-location"]
    given.steps = 8
    with pytest.raises(InputError, match="expected a result of these people and options"):
        ablation.compare(given)
