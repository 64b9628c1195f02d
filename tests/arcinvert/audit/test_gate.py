"""The gate and the comparison on files of strangers, and code that a file of options names."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arcinvert.audit.duration import StepSeconds
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.report import read_audit
from arcinvert.audit.report.text import options_toml
from recognition.config import to_json
from tests.arcinvert.cli.commands import assert_one_line, run

pytestmark = pytest.mark.usefixtures("cheap_judge")

#: What comes in the place of an audit.json.
DAMAGED: dict[str, Any] = {
    "empty": b"",
    "list": b"[]",
    "brackets": b"[" * 100_000,
    "utf-16": "{}".encode("utf-16"),
    "latin-1": b'{"schema": "\xe9"}',
    "schema alone": b'{"schema": "arcinvert-audit-2"}',
    "digits": b'{"schema": ' + b"9" * 5000 + b"}",
    "surrogate": b'{"schema": "\\ud800"}',
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_audit_is_no_verdict(
    case: str, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "audit.json").write_bytes(DAMAGED[case])
    for command in (
        ("audit-gate", tmp_path, "--max-sar", 0.5, "--fmr", 0.25),
        ("audit-compare", finished, tmp_path, "--out", tmp_path / "out"),
    ):
        assert run(*command) == 2
        assert_one_line(capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_a_crash_of_the_gate_is_no_verdict(
    finished: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for error in (KeyError("sar"), RecursionError(), ZeroDivisionError(), AttributeError("x")):

        def crash(*_: object, error: Exception = error) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr("arcinvert.audit.policy.decide", crash)
            assert run("audit-gate", finished, "--max-sar", 0.5, "--fmr", 0.25) == 2
        assert_one_line(capsys.readouterr().err)


def test_numbers_out_of_range_are_refused(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = read_audit(finished)
    result["judges"][0]["sar"]["0.25"]["type_2"]["identities"] = 10**400
    (tmp_path / "audit.json").write_text(json.dumps(result))
    assert run("audit-gate", tmp_path, "--max-sar", 0.5, "--fmr", 0.25) == 2
    assert_one_line(capsys.readouterr().err)
    assert run("audit-gate", finished, "--max-sar", 0.5, "--fmr", 0.05) == 2
    assert "expected an FMR of the audit, 0.25, 0.001, got 0.05" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content",
    [
        "[attack]\nstep = 3",
        '[attack]\nsteps = "x"',
        "attack = 3",
        "attack = [1]",
        "[attack]\npenalty = 3",
        '[attack]\npenalty = {tv = "x"}',
        "[[attack]]\nsteps = 3",
        "seed = 2020-01-01",
        f"minutes = {'9' * 400}",
        f"seed = {'9' * 5000}",
        "model = {}",
        "judges = 'dlib'",
        "fmr = [nan]",
        "variants = [1]",
        "x = " + "[" * 10_000,
        'images = "a\\u0000b"',
    ],
)
def test_damaged_options_are_one_line(
    content: str, people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.toml").write_text(content)
    images = () if "images" in content else ("--images", people)
    assert run("audit", "--config", tmp_path / "a.toml", *images, "--out", tmp_path / "out", "--dry-run") == 2
    assert_one_line(capsys.readouterr().err)
    assert [path.name for path in tmp_path.iterdir()] == ["a.toml"]


MODULE = """
from pathlib import Path
Path({here!r}, "was-run").touch()
def build():
    from recognition.loading import load
    return load({model!r}).backbone
"""


@pytest.fixture
def evil(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a module in the current folder, which notes that it was imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    name = "evilmod_of_a_test"
    (tmp_path / f"{name}.py").write_text(MODULE.format(here=str(tmp_path), model=str(tiny_model)))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


@pytest.mark.parametrize("field", ["model", "judges", "variants"])
def test_a_file_does_not_run_code(
    field: str, evil: str, options: AuditOptions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named: dict[str, Any] = {
        "model": f"{evil}:build",
        "judges": (f"{evil}:build",),
        "variants": (f"other={evil}:build",),
    }
    changed = replace(options, **{field: named[field]})
    (tmp_path / "audit.toml").write_text(options_toml(to_json(changed)))
    command = ("audit", "--config", "audit.toml", "--out", tmp_path / "out", "--dry-run")
    assert run(*command) == 2
    error = capsys.readouterr().err
    assert "--allow-code" in error
    assert_one_line(error)
    # With it, the code must be installed: the current folder may have come with the file.
    code = run(*command, "--allow-code")
    if field != "variants":
        assert code == 2
        assert "expected an importable package.module:factory" in capsys.readouterr().err
    assert not (tmp_path / "was-run").exists()
    assert "" in sys.path


def test_the_command_line_runs_the_users_own_code(
    evil: str, options: AuditOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "arcinvert.audit.attack.NetworkAttack.seconds_per_step", lambda _: StepSeconds(0.0, 1.0)
    )
    command = [
        "--images",
        options.images,
        "--people",
        6,
        "--judges",
        options.judges[0] if options.judges else "",
    ]
    assert run("audit", "--model", f"{evil}:build", *command, "--out", "out", "--dry-run") == 0
    assert (tmp_path / "was-run").exists()
