"""Audits of folders of few and of more people: a budget fits itself to those that there are, and says how."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from arcinvert.audit.inputs import open_inputs
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.runner import preview_audit, run_audit
from arcinvert.audit.schema import audit_schema
from arcinvert.evaluation.calibration import thresholds
from arcinvert.inversion.initialisation import mean_face_from_weights
from arcinvert.options import AttackOptions
from recognition.errors import InputError
from recognition.images import write_png
from tests.arcinvert.audit.conftest import picture
from tests.arcinvert.support import shorten_preparation

pytestmark = pytest.mark.usefixtures("cheap_judge")


def folder_of(people: int, root: Path) -> Path:
    for number in range(people):
        folder = root / f"Person {number:02d}"
        folder.mkdir(parents=True)
        crop = picture(number)
        write_png(folder / "1.png", crop)
        write_png(folder / "2.png", (crop * 0.9).astype("uint8"))
    return root


def audit(people: int, model: Path, tmp_path: Path, **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"budget": "quick", "judges": ("dlib",), "steps": 1} | more
    options = AuditOptions(model=str(model), images=folder_of(people, tmp_path / "people"), **given)
    result = run_audit(options, tmp_path / "out")
    written = json.loads((tmp_path / "out" / "audit.json").read_text())
    jsonschema.Draft202012Validator(audit_schema()).validate(written)
    return result


@pytest.mark.parametrize("people", [4, 20])
def test_with_nobody_left_the_shipped_thresholds_serve(people: int, tiny_model: Path, tmp_path: Path) -> None:
    result = audit(people, tiny_model, tmp_path)
    (judge,) = result["judges"]
    assert result["people"]["attacked"] == people
    assert judge["calibration"] == {
        "identities": 0,
        "photographs": 0,
        "mated": 0,
        "nonmated": 0,
        "alike": 0,
        "alike_attacked": 0,
    }
    shipped = {f"{one.fmr:g}": one.similarity for one in thresholds()}
    for entry in judge["thresholds"]:
        assert entry["threshold"] == shipped.get(f"{entry['fmr']:g}")
    assert list(judge["sar"]) == list(shipped)
    assert any("shipped thresholds serve" in note for note in result["people"]["notes"])
    assert any("fewer than the 20 asked for" in note for note in result["people"]["notes"]) == (people == 4)
    text = (tmp_path / "out" / "report.md").read_text()
    assert "shipped thresholds serve" in text
    # Everybody is in the gallery once.
    assert judge["rank"]["gallery"] == people


def test_with_others_left_they_calibrate(tiny_model: Path, tmp_path: Path) -> None:
    result = audit(70, tiny_model, tmp_path)
    (judge,) = result["judges"]
    assert result["people"]["attacked"] == 20
    # Fifty people support FMR 0.01 alone.
    assert [one["source"] for one in judge["thresholds"]] == ["calibration", "shipped", None]
    assert [one["identities"] for one in judge["thresholds"]] == [50, 400, None]
    assert judge["calibration"]["identities"] == 50
    (note, *_) = result["people"]["notes"]
    assert "dlib: the shipped thresholds are used at FMR 1 in 1,000: only 50 people" in note


def test_a_judge_without_shipped_thresholds_keeps_half_outside(
    options: AuditOptions, people: Path, tmp_path: Path
) -> None:
    fitted = replace(options, people=None, budget="thorough")
    cohort = open_inputs(fitted).sample_cohort(None)
    assert cohort is not None
    assert len(cohort.attacked) == 8
    assert len({name for _, name in cohort.calibration}) == 8
    lines = preview_audit(fitted, tmp_path).lines(tmp_path)
    assert any(line.startswith("Half of the 16 people are attacked") for line in lines)


def test_defences_need_people_outside(options: AuditOptions) -> None:
    everybody = replace(options, people=16, defences=("noise",))
    with pytest.raises(InputError, match=r"^defences: expected people outside the attack.*--calibration"):
        open_inputs(everybody).sample_cohort(16)


def test_the_mean_face_from_weights_is_made_once_for_each_network(
    options: AuditOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten_preparation(monkeypatch)
    monkeypatch.setattr("arcinvert.audit.attack.BATCH", 3)
    made: list[str] = []
    find = mean_face_from_weights.faces_from_weights

    def counted(request: Any, statistics: Any) -> Any:
        made.append(request.recogniser.name)
        return find(request, statistics)

    monkeypatch.setattr(mean_face_from_weights, "faces_from_weights", counted)
    steps: list[tuple[int, int]] = []
    weights = replace(
        options,
        attack=AttackOptions(knowledge="weights", restarts=1),
        people=6,
        steps=1,
        defences=("noise", "folded-batchnorm"),
        defence_people=2,
    )
    run_audit(weights, tmp_path / "out", progress=lambda done, of: steps.append((done, of)))
    # The attacked network, for both batches and two rows, and the network with folded BatchNorm.
    assert len(made) == 2
    # Twice three steps of preparation, two batches, and a batch of each of three rows.
    assert steps[-1] == (11, 11)
    assert [done for done, _ in steps] == list(range(1, 12))
