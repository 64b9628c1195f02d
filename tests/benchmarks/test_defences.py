"""The command of the table of defences: who is attacked, and what is printed."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

import benchmarks.defences as table
from arcinvert.audit.options import AuditOptions
from recognition.errors import InputError

pytest_plugins = ("tests.arcinvert.audit.conftest",)


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


def test_the_command_prints_the_tables_of_its_audit(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[AuditOptions] = []

    def audit(options: AuditOptions, out: Path) -> dict[str, Any]:
        asked.append(options)
        return dict(json.loads((finished / "audit.json").read_text()))

    monkeypatch.setattr(table, "run_audit", audit)
    monkeypatch.setattr(table, "link_held_out", lambda *_: tmp_path)
    table.compare(
        argparse.Namespace(
            photos=tmp_path,
            out=tmp_path / "out",
            model="lfw-iresnet18",
            people=7,
            steps=5,
            judges=["dlib"],
            defences=["noise"],
        )
    )
    # Everybody is compared, so that the audit's own attack is the first row.
    assert (asked[0].people, asked[0].defence_people, asked[0].steps) == (7, 7, 5)
    text = capsys.readouterr().out
    assert "| no defence | - | the template |" in text
    assert "| noise:1 | - | protected template and templates of" in text
    assert "5 steps;" in text
