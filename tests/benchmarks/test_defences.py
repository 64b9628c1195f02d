"""The command of the table of defences: who is attacked, and what is printed."""

import argparse
from pathlib import Path
from typing import Any

import pytest

import benchmarks.defences as table
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.report.sections.defences import blocks
from recognition.errors import InputError


def test_held_out_people_are_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Ann", "Bob", "Cat"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        (tmp_path / "photos" / name / "1.png").touch()
    monkeypatch.setattr(table, "load_notes", lambda _: {"split": {"held_out": ["Cat", "Ann", "Zoe"]}})
    for _ in range(2):
        folder = table.link_held_out(tmp_path / "photos", tmp_path / "out")
        assert sorted(path.name for path in folder.iterdir()) == ["Ann", "Cat"]
    assert (folder / "Ann" / "1.png").exists()
    monkeypatch.setattr(table, "load_notes", lambda _: {"split": {"held_out": ["Zoe"]}})
    with pytest.raises(InputError, match="expected LFW's people"):
        table.link_held_out(tmp_path / "photos", tmp_path / "out")


def entry(name: str, key: str | None, differences: dict[str, str]) -> dict[str, Any]:
    """One row of audit.json, as far as the section reads it."""
    figure = {"value": 0.5, "low": 0.25, "high": 0.75, "identities": 7, "comparisons": 7}
    change = figure | {"value": -0.25, "low": -0.5}
    to_the_first = {"sar_difference": {"0.001": change}, "gap_difference": change}
    ends = {"mean_face": {"0.001": figure}, "ceiling": {"0.001": figure | {"value": 0.9}}}
    return {
        "defence": name,
        "key": key,
        "attacker": f"attack on {name}",
        "knowledge": "weights",
        "attacker_holds": f"record of {name}",
        "differences": differences,
        "identities": 7,
        "irreversibility": figure,
        "irreversibility_floor": figure | {"value": 0.1},
        "irreversibility_ceiling": None,
        "judges": {
            "dlib": {"sar": {"0.001": figure}, "gap_closed": None}
            | (ends if name == "no defence" else to_the_first)
        },
        "tar_fmr": 0.001,
        "tar": figure,
        "tar_refused": None,
        "unlinkability": {
            "d_sys": 0.4,
            "d_sys_floor": 0.1,
            "figure": figure | {"value": 0.4},
            "chance": figure | {"value": 0.1, "low": 0.05},
            "refused": None,
        },
        "renewability": None,
        "renewability_refused": "expected threads, got none; give some",
    }


def test_the_command_prints_the_tables_of_its_audit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[AuditOptions] = []
    floor = {"value": 0.125, "low": 0.0, "high": 0.25, "identities": 7, "comparisons": 7}
    rows = [("no defence", None), ("hash", "known"), ("hash", "unknown"), ("other", None)]
    found = {
        "defences": [entry(*row, {"steps": "7 in place of 5"} if row[0] == "other" else {}) for row in rows],
        "answer": {"headline_fmr": "0.001"},
        "judges": [
            {"name": "dlib", "sar": {"0.001": {"mean_face": floor, "ceiling": floor | {"value": 0.6}}}}
        ],
        "people": {"attacked": 7},
        "threat_model": {"network": "tiny"},
    }

    def audit(options: AuditOptions, out: Path) -> dict[str, Any]:
        asked.append(options)
        return found

    monkeypatch.setattr(table, "run_audit", audit)
    monkeypatch.setattr(table, "section_blocks", lambda result: {"Defences": blocks(result)})
    monkeypatch.setattr(table, "link_held_out", lambda *_: tmp_path)
    given = argparse.Namespace(photos=tmp_path, out=tmp_path, model="tiny", people=7, steps=5)
    given.judges, given.defences = ["dlib"], ["noise"]
    table.compare(given)
    # Everybody is compared, so that the audit's own attack is the first row.
    assert (asked[0].people, asked[0].defence_people, asked[0].steps) == (7, 7, 5)
    # Brackets are escaped in Markdown.
    lines = capsys.readouterr().out.replace("\\", "").splitlines()
    attacked = [line for line in lines if "record of" in line]
    assert [line.split(" | ")[:2] for line in attacked] == [
        ["| no defence", "none"],
        ["| hash", "known"],
        ["| hash", "unknown"],
        ["| other", "none"],
    ]
    # One cost for both rows of a keyed defence, and a difference is said.
    assert len([line for line in lines if "0.40 [0.25, 0.75] (0.10 [0.05, 0.75])" in line]) == 3
    # A reason is said, and once.
    assert lines.count("No renewability: expected threads, got none; give some.") == 1
    assert "- other: steps 7 in place of 5" in lines
    assert lines[-1].startswith("tiny, 7 people, 5 steps;")
    # What the judge accepts stands between floor and ceiling.
    assert "| hash | known | 0.500 [0.250, 0.750] | - |" in lines
    assert "| floor: mean face |  | 0.125 [0.000, 0.250] | 0 |" in lines
    assert "| ceiling: photograph |  | 0.600 [0.000, 0.250] | 1 |" in lines
    assert "| floor: mean face | none | - | 0.10 [0.25, 0.75] | 0.50 [0.25, 0.75]; 0 |" in lines
    assert "| ceiling: real photograph | none | - | - | 0.90 [0.25, 0.75]; 1 |" in lines
    assert "| hash | known | -0.250 [-0.500, 0.750] | -0.250 [-0.500, 0.750] |" in lines
    assert "| hash | unknown | -0.25 [-0.50, 0.75]; -0.25 [-0.50, 0.75] |" in lines
