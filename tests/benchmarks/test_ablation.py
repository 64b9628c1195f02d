"""The ablation's rows and its differences; no attack is run."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_rel

from arcinvert import Attacker
from arcinvert.inversion.initialisation import INITIALISATIONS
from arcinvert.inversion.parametrisations import PARAMETRISATIONS
from arcinvert.inversion.penalties import PENALTIES
from arcinvert.options import AttackOptions
from benchmarks import ablation
from benchmarks import judged as judged_table
from benchmarks.ablation import (
    BARE,
    CHOSEN,
    DEFAULT,
    RECIPE,
    Change,
    chosen,
    differences,
    p_values,
    rows,
    with_changes,
)
from benchmarks.judged import Row, judged
from recognition.errors import InputError
from tests.benchmarks.test_judged import PEOPLE, SELVES, kept
from tests.benchmarks.test_judged import panel as panel


def options(row: Change) -> dict[str, Any]:
    """Return the options of a row's attack, those of the recipe included."""
    AttackOptions(**row.changes)
    return with_changes(RECIPE | CHOSEN, row.changes)


def test_every_row_is_an_attack_of_its_own():
    made = {name: options(row) for name, row in rows().items()}
    assert made[DEFAULT] == RECIPE | CHOSEN
    listed = list(made.values())
    assert all(one != other for place, one in enumerate(listed) for other in listed[:place])
    assert all("," not in name and "/" not in name for name in made)


@pytest.mark.parametrize(
    ("option", "registry"),
    [("initialisation", INITIALISATIONS), ("parametrisation", PARAMETRISATIONS)],
)
def test_every_value_of_an_option_is_tried(option, registry):
    assert {options(row)[option] for row in rows().values()} == set(registry)


def test_every_penalty_on_activations_is_tried_in_place_of_bn():
    used = [
        {name for name, weight in options(row)["penalty"].items() if weight and name.startswith("bn")}
        for row in rows().values()
    ]
    assert all(len(names) <= 1 for names in used)
    assert set().union(*used) == {name for name in PENALTIES if name.startswith("bn")}
    assert rows()["bn=1"].changes == {"penalty": {"bn": 1.0}}
    assert set() in used


def test_what_the_recipe_has_already_is_no_row():
    assert not {"low-resolution=0", "average=0", "batch-size=16"} & set(rows())
    assert {"low-resolution=0.3", "average=0.2", "batch-size=4", "restarts=3"} <= set(rows())


def test_the_bare_attack_has_no_ingredient_and_the_last_has_all():
    made = {name: options(row) for name, row in rows().items()}
    bare = made[BARE]
    augmentation = [bare[name] for name in ("flip", "shift", "scale", "feature_dropout")]
    assert (bare["initialisation"], augmentation) == ("mean-face", [False, 0, 0, 0])
    assert [bare["penalty"][name] for name in ("bn", "tv", "colour-tv")] == [0, 0, 0]
    added = [name for name, row in rows().items() if row.against == BARE]
    whole = made[max(added, key=len)]
    assert (whole["penalty"]["tv"], whole["penalty"]["colour-tv"]) == (RECIPE["penalty"]["tv"], 4)
    assert (whole["flip"], whole["shift"]) == (True, 2)
    assert (whole["penalty"]["bn"], whole["penalty"]["bn-per-position"]) == (0, 1)
    assert (whole["initialisation"], whole["parametrisation"]) == ("nearest-neighbours", "face-pca")
    # Alone: one option, or the weight of one penalty, is not the bare attack's.
    alone = {name for name in added if name.count("+") == 1}
    assert alone == {f"bare+{name}" for name in ablation.INGREDIENTS}
    for name in alone:
        flat, bare_flat = (
            {**one, **{f"penalty {key}": weight for key, weight in one["penalty"].items()}, "penalty": None}
            for one in (made[name], bare)
        )
        assert sum(flat[key] != bare_flat.get(key, 0) for key in flat) == 1


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
    corrected = p_values(results, changes)
    alone = ttest_rel(results["c"].similarities, results["b"].similarities).pvalue
    # The difference of b is the same in everybody. Of two values, the greater counts once.
    assert corrected == {"b": pytest.approx(0, abs=1e-12), "c": pytest.approx(alone)}


def test_what_is_made_is_judged_and_written_and_not_made_again(panel, tiny_model, tmp_path, monkeypatch):
    given = Namespace(
        photos=tmp_path,
        model=tiny_model,
        people=PEOPLE,
        steps=7,
        statistics=None,
        rows=["tv=off", "bn=per-position"],
        seed=3,
        out=tmp_path / "out",
    )
    attacked: list[str] = []

    def attack(
        name: str, panel: Any, wanted: dict[str, Any], folder: Path, *, attacker: Attacker, photos: Path
    ) -> None:
        if not folder.exists():
            attacked.append(name)
            assert (wanted["steps"], wanted["seed"], wanted["restarts"]) == (7, 3, 1)
            kept(folder, panel, attacker, wanted)

    class SomeJudge:
        def embed(self, crops: list[Any]) -> np.ndarray:
            return SELVES[: len(crops)]

    monkeypatch.setattr(ablation, "make", attack)
    monkeypatch.setattr(judged_table, "DlibJudge", SomeJudge)
    monkeypatch.setattr(judged_table, "face_detected", lambda crop: True)
    monkeypatch.setattr(ablation, "make_panel", lambda *_, tuning: panel if tuning else None)
    ablation.compare(given)
    # Nothing was measured at each position: the row is left out.
    assert attacked == [DEFAULT, "tv=off"]
    text = (given.out / "table.md").read_text(encoding="utf-8")
    titles = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    assert titles == ["", "---", DEFAULT, "tv=off", "floor: mean face", "ceiling: the photograph"]
    lines = text.splitlines()
    assert lines[0].endswith("| Type II, difference | to | p (Holm, 1 comparisons) |")
    assert lines[2].endswith("| - | - | - |")
    assert lines[3].endswith("| default | 1 |")
    assert lines[3].split("|")[-4].strip().startswith("0.000 [0.000, 0.000]")
    attacked.clear()
    ablation.compare(given)
    assert attacked == []
    given.steps = 8
    with pytest.raises(InputError, match="expected a result of these people and options"):
        ablation.compare(given)
