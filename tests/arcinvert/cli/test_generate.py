"""`arcinvert generate`: what it writes and prints, and that every option reaches the attack."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcinvert.knowledge.measure import measure
from arcinvert.knowledge.statistics_file import save_statistics
from arcinvert.options import AttackOptions
from recognition.checkpoint import read_safetensors, write_safetensors
from recognition.images import read_image, write_png
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


def test_the_centres_of_a_class_are_attacked_apart(
    tiny_model: Path, astronaut_crop: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors, metadata = read_safetensors(tiny_model)
    others = torch.randn(5, 2, 32, generator=torch.Generator().manual_seed(0))
    tensors["extra.subcentres"] = torch.cat([others[:, :1], tensors["centres"][:, None], others[:, 1:]], 1)
    model = tmp_path / "several.safetensors"
    write_safetensors(model, tensors, metadata)
    (tmp_path / "faces" / "Cat Charlie").mkdir(parents=True)
    write_png(tmp_path / "faces" / "Cat Charlie" / "1.png", astronaut_crop)
    command: tuple[object, ...] = (
        "generate",
        "--class-id",
        2,
        "--steps",
        1,
        "--knowledge",
        "weights",
        "--initialisation",
        "noise",
    )
    command += ("--model", model, "--subcentre")
    out = tmp_path / "out"
    assert run(*command, "all", "--clusters", tmp_path / "faces", "--out", out) == 0
    printed = capsys.readouterr().out
    samples = read_result(out)["samples"]
    assert [sample["image"] for sample in samples] == [
        f"class2_subcentre{number}_sample0.png" for number in (1, 0, 2)
    ]
    assert [sample["subcentre"]["dominant"] for sample in samples] == [True, False, False]
    near = [len(sample["subcentre"]["angles"]) for sample in samples]
    assert sorted(near) == [0, 0, 1]
    assert [sample["judge"]["type_1"] is not None for sample in samples] == [bool(count) for count in near]
    summary = read_result(out)["summary"]
    assert {kind: one["samples"] for kind, one in summary["subcentres"].items()} == {
        "dominant": 1,
        "other": 2,
    }
    assert "Cat Charlie, sub-centre 0 (not dominant): " in printed
    assert "dominant centres: " in printed
    # The dominant centre alone is what stands for the class.
    assert run(*command, "dominant", "--out", tmp_path / "one") == 0
    plain = tmp_path / "plain"
    assert run(*command[:-1], "--out", plain) == 0
    first = read_image(tmp_path / "one" / "class2_subcentre1_sample0.png")
    assert (first == read_image(plain / "class2_sample0.png")).all()
    assert run(*command, "3", "--out", tmp_path / "none") == 2
    assert "subcentre: expected 0 to 2" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


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
        },
        "yaw": -12.5,
        "pitch": 5.0,
        "expression": "open-mouth",
        "age": 62.5,
        "size": 224,
        "feature_dropout": 0.25,
        "learning_rate": 0.0625,
        "warm_up": 0.125,
        "low_resolution": 0.5,
        "average": 0.5,
        "regression_blend": 0.0,
        "skin_tone": False,
        "restarts": 2,
        "restart_steps": 1,
        "retries": 1,
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
    appearance = {name: wanted[name] for name in ("yaw", "pitch", "expression", "age")}
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
