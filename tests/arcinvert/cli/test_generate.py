"""`arcinvert generate`: what it writes and prints, and that every option reaches the attack."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

from arcinvert.knowledge.measure import measure
from arcinvert.knowledge.statistics_file import save_statistics
from arcinvert.options import AttackOptions
from recognition.images import read_image
from recognition.loading import load
from tests.arcinvert.cli.commands import assert_one_line, names_below, run
from tests.arcinvert.support import leave_out_judge, read_result


def test_generate(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    code = run(
        "generate", "--class-id", 0, 2, "--samples", 2, "--steps", 2, "--model", tiny_model, "--out", out
    )
    printed = capsys.readouterr()
    assert code == 0
    images = [f"class{label}_sample{sample}.png" for label in (0, 2) for sample in (0, 1)]
    assert names_below(tmp_path) == sorted(
        ["out", *(f"out/{name}" for name in (*images, "result.json", "sheet.png"))]
    )
    for name in images:
        assert name in printed.out
    assert str(out) in printed.out
    assert "No photograph to judge by" in printed.out
    assert "Traceback" not in printed.err


def test_without_out_a_folder_is_named_after_the_run(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("generate", "--class-name", "Eve Easy", "--seed", 7, "--steps", 1, "--model", tiny_model) == 0
    assert (tmp_path / "arcinvert-results" / "generate-Eve Easy-seed7" / "class4_sample0.png").is_file()


def test_options_reach_the_attack(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_judge(monkeypatch)
    statistics = tmp_path / "statistics.safetensors"
    save_statistics(statistics, measure(load(tiny_model), [torch.rand(2, 3, 112, 112)]))
    wanted: dict[str, Any] = {
        "recipe": "arcinvert",
        "knowledge": "public-faces",
        "steps": 2,
        "seed": 5,
        "samples": 2,
        "early_stopping": 0.5,
        "initialisation": "noise",
        "parametrisation": "fourier",
        "loss": "euclidean",
        "loss_scale": 32.0,
        "loss_margin": 0.25,
        "whiten": False,
        "penalty": {
            "bn": 0.0,
            "bn-arcface": 0.5,
            "tv": 0.25,
            "colour-tv": 0.75,
            "l2": 0.125,
            "pca-prior": 0.0,
            "guide": 0.375,
        },
        "yaw": -12.5,
        "pitch": 5.0,
        "expression": "open-mouth",
        "feature_dropout": 0.25,
        "learning_rate": 0.0625,
        "warm_up": 0.125,
        "low_resolution": 0.5,
        "average": 0.5,
        "regression_blend": 0.0,
        "skin_tone": False,
        "restarts": 2,
        "flip": False,
        "shift": 1,
        "wrap": True,
        "scale": 0.05,
        "batch_size": 1,
    }
    assert set(wanted) == {option.name for option in fields(AttackOptions)}
    given: list[object] = ["--statistics", statistics, "--precision", "float32", "--device", "cpu"]
    for name, value in wanted.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            given += [f"--{'' if value else 'no-'}{flag}"]
        elif isinstance(value, dict):
            given += [f"--{flag}", *(f"{key}={weight}" for key, weight in value.items())]
        else:
            given += [f"--{flag}", value]
    assert run("generate", "--class-id", 1, "--model", tiny_model, "--out", tmp_path / "out", *given) == 0
    result = read_result(tmp_path / "out")
    assert result["options"] == wanted
    assert result["environment"]["dtype"] == "float32"
    plan = result["plan"]
    appearance = {name: wanted[name] for name in ("yaw", "pitch", "expression")}
    assert plan["appearance"] == appearance
    elsewhere = {"penalty", "whiten", "loss_margin", "knowledge"} | set(appearance)
    same = set(wanted) - elsewhere - set(plan["augmentation"])
    assert {name: plan[name] for name in same} == {name: wanted[name] for name in same}
    assert plan["augmentation"] == {name: wanted[name] for name in plan["augmentation"]}
    # A weight of 0 leaves a penalty out.
    assert plan["penalties"] == {
        "tv": 0.25,
        "colour-tv": 0.75,
        "l2": 0.125,
        "guide": 0.375,
        "bn-arcface": 0.5,
    }


def test_a_recipe_by_its_name(tiny_model: Path, tmp_path: Path) -> None:
    attack = ("generate", "--class-id", 1, "--model", tiny_model, "--out", tmp_path / "out", "--steps", 3)
    assert run(*attack, "--recipe", "deepinversion", "--no-flip") == 0
    result = read_result(tmp_path / "out")
    assert result["plan"]["recipe"] == "deepinversion"
    assert result["plan"]["changes"] == {"steps": 3, "flip": False}
    assert result["plan"]["penalties"]["bn-deepinversion"] == 0.01
    assert result["attacker_knowledge"] == {"level": "weights"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--recipe", "soup"), "invalid choice: 'soup'"),
        (
            ("--recipe", "paper", "--knowledge", "public-faces"),
            "knowledge: expected weights",
        ),
        (("--recipe", "paper", "--initialisation", "mean-face"), "initialisation: expected one that"),
        (("--knowledge", "weights", "--statistics", "faces.safetensors"), "faces.safetensors"),
        (
            ("--knowledge", "weights", "--regression-blend", 0.5),
            "regression_blend: expected 0",
        ),
        (
            ("--parametrisation", "face-pca", "--initialisation", "noise"),
            "parametrisation: expected",
        ),
    ],
)
def test_contradicting_options_are_one_line(
    options: tuple[object, ...],
    message: str,
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    assert run("generate", "--class-id", 1, "--model", tiny_model, "--out", out, *options) == 2
    error = capsys.readouterr().err
    assert_one_line(error)
    assert message in error
    assert not out.exists()


def test_the_folder_has_what_the_terminal_says(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run("generate", "--class-id", 4, "--steps", 1, "--model", tiny_model, "--out", out) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"Wrote {out}/ (sheet.png, result.json, 1 images)"
    assert read_image(out / "class4_sample0.png").shape == (112, 112, 3)
    assert json.loads((out / "result.json").read_text(encoding="utf-8"))["samples"][0]["class_id"] == 4
