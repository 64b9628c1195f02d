"""The commands: audit, audit-compare, audit-gate, harden, as a user runs them."""

import argparse
import json
import re
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from arcinvert.audit.defences.biohashing import BioHashing
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.report.text import options_toml
from arcinvert.audit.runner import run_audit
from arcinvert.cli.main import build_parser, main
from arcinvert.knowledge.activation_statistics import statistics_layers
from recognition.config import to_json
from recognition.loading import load
from recognition.seeds import derive_seed

pytestmark = pytest.mark.usefixtures("cheap_judge")


def parsed(*arguments: object) -> argparse.Namespace:
    """The options of `audit`."""
    return build_parser().parse_args(["audit", "--out", "never", *map(str, arguments)])


def run(*arguments: object) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def before(options: AuditOptions, tmp_path: Path) -> Path:
    """The folder of a finished audit, with a key file that others can share."""
    run_audit(replace(options, key_file=tmp_path / "key.json"), tmp_path / "before")
    return tmp_path / "before"


def test_audit(options: AuditOptions, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "audit.toml").write_text(options_toml(to_json(options)))
    assert run("audit", "--config", tmp_path / "audit.toml", "--out", tmp_path / "out", "--max-sar", 1) == 0
    printed = capsys.readouterr()
    result = json.loads((tmp_path / "out" / "audit.json").read_text())
    for sentence in result["answer"]["sentences"]:
        assert sentence in printed.out
    assert "Pass: SAR at most 1 at FMR 1 in 4" in printed.out
    assert "s of CPU" in printed.out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "audit.json",
        "report.html",
        "report.md",
        "report.pdf",
    ]


def test_photographs_that_are_left_out(
    options: AuditOptions, people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "people"
    shutil.copytree(people, broken)
    for folder in broken.iterdir():
        (folder / "0.png").write_bytes(b"torn")
    config = to_json(replace(options, images=broken, steps=1, people=3, calibration_images=3))
    (tmp_path / "audit.toml").write_text(options_toml(config))
    command = ("audit", "--config", tmp_path / "audit.toml", "--out", tmp_path / "out", "--strict")
    assert run(*command) == 3
    error = capsys.readouterr().err
    skipped = json.loads((tmp_path / "out" / "audit.json").read_text())["people"]["skipped"]
    assert f"warning: {len(skipped)} photographs or rows of the database were left out" in error
    assert f"left out: {broken}" in error
    assert run(*command[:-1]) == 0


def test_compare_and_gate(
    before: Path, options: AuditOptions, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_audit(replace(options, steps=1, key_file=tmp_path / "key.json"), tmp_path / "after")
    assert run("audit-compare", before, tmp_path / "after", "--out", tmp_path / "compared") == 0
    printed = capsys.readouterr().out
    assert "other, SAR at FMR 1 in 4" in printed
    assert "no difference can be shown" in printed
    assert "steps: 3 before, 1 after" in printed
    assert {path.name for path in (tmp_path / "compared").iterdir()} == {
        f"comparison.{ending}" for ending in ("html", "json", "md", "pdf")
    }
    compared = json.loads((tmp_path / "compared" / "comparison.json").read_text())
    audits = [json.loads((folder / "audit.json").read_text()) for folder in (before, tmp_path / "after")]
    accepted = [
        {one["pseudonym"]: one["judges"]["other"]["accepted"]["0.25"] for one in audit["identities"]}
        for audit in audits
    ]
    changes = [accepted[1][name] - accepted[0][name] for name in accepted[0]]
    assert compared["paired_people"] == 6
    assert compared["sar"][0]["difference"]["value"] == pytest.approx(np.mean(changes))
    closed = [audit["judges"][0]["gap_closed"]["value"] for audit in audits]
    assert compared["gap_closed"][0]["difference"]["value"] == pytest.approx(closed[1] - closed[0])
    share = json.loads((before / "audit.json").read_text())["judges"][0]["sar"]["0.25"]["type_2"]
    assert run("audit-gate", before, "--max-sar", 1, "--fmr", 0.25) == 0
    assert run("audit-gate", before, "--max-sar", share["value"], "--fmr", 0.25, "--bound", "value") == 0
    assert 0 < share["low"] < share["value"]
    between = (share["low"] + share["value"]) / 2
    capsys.readouterr()
    assert run("audit-gate", before, "--max-sar", between, "--fmr", 0.25) == 4
    asked = r"UNDECIDED: .* cannot be decided: (calibrate on|attack) [\d,]+ people"
    assert re.search(asked, capsys.readouterr().out)
    assert run("audit-gate", before, "--max-sar", between, "--fmr", 0.25, "--bound", "value") == 1
    assert run("audit-gate", before, "--max-sar", share["low"] / 2, "--fmr", 0.25) == 1
    # A rate that there were too few people for does not pass.
    assert run("audit-gate", before, "--max-sar", 1, "--fmr", 0.001) == 4
    assert "UNDECIDED" in capsys.readouterr().out


def test_a_hardened_model_gives_the_same_embeddings(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("harden", "--model", tiny_model, "--out", tmp_path / "hard.onnx") == 0
    assert "BatchNorm layers without statistics" in capsys.readouterr().out
    hard, soft = load(tmp_path / "hard.onnx"), load(tiny_model)
    images = torch.rand(3, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(hard(images), soft(images), atol=1e-5)
    assert statistics_layers(hard) == []
    assert hard.centres is None
    # Nothing left to withhold.
    assert run("harden", "--model", tmp_path / "hard.onnx", "--out", tmp_path / "again.onnx") == 2
    assert not (tmp_path / "again.onnx").exists()


def test_hardened_templates(tiny_model: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(5, 32))
    np.save(tmp_path / "t.npy", rows)
    (tmp_path / "ids.txt").write_text("a\nb\nc\na\ne")
    common = ["--model", tiny_model, "--templates", tmp_path / "t.npy"]
    keyed = [
        "--ids",
        tmp_path / "ids.txt",
        "--defence",
        "biohashing:0.5",
        "--key-file",
        tmp_path / "key.json",
    ]
    assert run("harden", *common, *keyed, "--out", tmp_path / "p.npy") == 0
    assert run("harden", *common, *keyed, "--out", tmp_path / "again.npy") == 0
    protected = np.load(tmp_path / "p.npy")
    assert protected.shape == (5, 16)
    assert np.array_equal(protected, np.load(tmp_path / "again.npy"))
    secret = json.loads((tmp_path / "key.json").read_text())["secret"]
    assert (tmp_path / "key.json").stat().st_mode & 0o777 == 0o600
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    wanted = BioHashing(0.5).protect(unit, [derive_seed(secret, name) for name in "abcae"])
    assert protected == pytest.approx(wanted)
    assert run("harden", *common, "--defence", "noise", "--out", tmp_path / "n.npy") == 0
    assert run("harden", *common, "--defence", "noise", "--out", tmp_path / "m.npy") == 0
    assert not np.array_equal(np.load(tmp_path / "n.npy"), np.load(tmp_path / "m.npy"))


def test_what_is_read_is_not_overwritten(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    templates, key = tmp_path / "t.npy", tmp_path / "key.npy"
    np.save(templates, np.random.default_rng(0).normal(size=(5, 32)))
    before = templates.read_bytes()
    common = ["harden", "--model", tiny_model, "--templates", templates, "--defence"]
    assert run(*common, "noise", "--out", templates) == 2
    assert run(*common, "biohashing", "--out", key, "--key-file", key) == 2
    assert "expected another file than the key's" in capsys.readouterr().err
    assert templates.read_bytes() == before
    assert list(tmp_path.iterdir()) == [templates]


BAD_INPUT = {
    "no-input": (["audit", "--out", "OUT"], "either --images DIR or --templates FILE"),
    "no-folder": (["audit", "--out", "OUT", "--images", "gone"], "expected a folder"),
    "no-config": (["audit", "--out", "OUT", "--config", "gone.toml"], "expected a TOML file"),
    "no-model": (["audit", "--out", "OUT", "--images", "PEOPLE", "--model", "gone.pt"], "no such file"),
    "no-judge": (["audit", "--out", "OUT", "--images", "PEOPLE", "--judges", "gone.pt"], "no such file"),
    "defence": (
        ["audit", "--out", "OUT", "--images", "PEOPLE", "--defences", "fog"],
        "defence: expected one of",
    ),
    "templates": (["audit", "--out", "OUT", "--templates", "gone.npy"], "no such file"),
    "attack": (["audit", "--out", "OUT", "--images", "PEOPLE", "--attack", "speed=9"], "the nearest is"),
    "steps": (
        ["audit", "--out", "OUT", "--images", "PEOPLE", "--steps", "0"],
        "steps: expected a whole number from 1 up",
    ),
    "gate": (["audit-gate", "gone", "--max-sar", "0.1"], "expected a finished audit"),
    "gate-range": (["audit-gate", "gone", "--max-sar", "2"], "expected fractions"),
    "compare": (["audit-compare", "gone", "gone", "--out", "OUT"], "expected a finished audit"),
    "harden-model": (["harden", "--out", "OUT"], "ends in .onnx"),
    "harden-both": (["harden", "--out", "OUT", "--defence", "noise"], "--templates and --defence together"),
    "harden-name": (
        ["harden", "--out", "OUT.npy", "--templates", "t", "--defence", "fog"],
        "defence: expected one of",
    ),
    "harden-scores": (
        ["harden", "--out", "OUT.npy", "--templates", "t", "--defence", "scores"],
        "changes stored templates",
    ),
    "harden-key": (
        ["harden", "--out", "OUT.npy", "--templates", "t", "--defence", "truncation", "--key-file", "k"],
        "expected no key file",
    ),
    "harden-no-key": (
        ["harden", "--out", "OUT.npy", "--templates", "t", "--defence", "projection"],
        "expected a key file",
    ),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_line(
    case: str,
    people: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, said = BAD_INPUT[case]
    places = {"PEOPLE": str(people), "OUT": str(tmp_path / "out"), "OUT.npy": str(tmp_path / "out.npy")}
    assert run(*(places.get(argument, argument) for argument in arguments)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    assert said in error
    assert list(tmp_path.iterdir()) == []


def test_help_lists_every_option_without_torch() -> None:
    program = (
        "import sys\n"
        "from arcinvert.cli.main import main\n"
        "try:\n"
        "    main(['audit', '--help'])\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0\n"
        "print([name for name in ('torch', 'numpy', 'dlib', 'PIL', 'fpdf') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    for option in fields(AuditOptions):
        assert f"--{option.name.replace('_', '-')}" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
