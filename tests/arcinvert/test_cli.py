"""The command line: what it writes, and that input it cannot use ends in one line and exit code 2."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from arcinvert.cli import main as cli
from arcinvert.cli.main import _parser, main
from arcinvert.inversion.result import Step
from arcinvert.knowledge.activation_statistics import measure, save_statistics
from arcinvert.options import AttackOptions
from recognition.images import read_image, write_png
from recognition.loading import BUNDLED, load


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def run(*arguments: object) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_generate(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    code = run(
        "generate", "--class-id", 0, 2, "--samples", 2, "--steps", 2, "--model", tiny_model, "--out", out
    )
    printed = capsys.readouterr()
    assert code == 0
    images = [f"class{label}_sample{sample}.png" for label in (0, 2) for sample in (0, 1)]
    assert names(tmp_path) == sorted(
        ["out", *(f"out/{name}" for name in (*images, "result.json", "sheet.png"))]
    )
    for name in images:
        assert name in printed.out
    assert str(out) in printed.out
    assert "No photograph to judge by" in printed.out
    assert "Traceback" not in printed.err


def test_from_image(
    tiny_model: Path, photograph: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    code = run(
        "from-image", photograph, "--photos", photos, "--steps", 2, "--model", tiny_model, "--out", out
    )
    assert code == 0
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert result["inputs"]["photographs"] == [str(photograph)]
    assert result["summary"]["kind"] == "type_2"
    printed = capsys.readouterr().out
    assert "Type II, 1 identities" in printed
    assert f"{result['samples'][0]['judge']['type_2']:.3f}" in printed
    assert " steps seconds  accepted at FMR" in printed
    assert f"{2:>6} {result['samples'][0]['seconds']:>7.2f}  " in printed


def test_from_embedding(tiny_model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "people.npy", np.random.default_rng(0).normal(size=(2, 32)))
    code = run(
        "from-embedding",
        tmp_path / "people.npy",
        "--steps",
        1,
        "--model",
        tiny_model,
        "--out",
        tmp_path / "out",
    )
    assert code == 0
    result = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert len(result["samples"]) == 2


def test_without_out_a_folder_is_named_after_the_run(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("generate", "--class-name", "Eve Easy", "--seed", 7, "--steps", 1, "--model", tiny_model) == 0
    assert (tmp_path / "arcinvert-results" / "generate-Eve Easy-seed7" / "class4_sample0.png").is_file()


def test_options_reach_the_attack(tiny_model: Path, tmp_path: Path) -> None:
    statistics = tmp_path / "statistics.safetensors"
    save_statistics(statistics, measure(load(tiny_model), [torch.rand(2, 3, 112, 112)]))
    wanted = {
        "recipe": "arcinvert",
        "knowledge": "public-faces",
        "statistics": str(statistics),
        "steps": 2,
        "seed": 5,
        "samples": 2,
        "settle": 0.5,
        "start": "noise",
        "parametrisation": "fourier",
        "loss": "euclidean",
        "loss_scale": 32.0,
        "loss_margin": 0.25,
        "whiten": False,
        "prior": "paper",
        "prior_weight": 0.5,
        "image_prior": "norm",
        "coordinate_weight": 0.375,
        "tv_weight": 0.25,
        "colour_weight": 0.75,
        "l2_weight": 0.125,
        "feature_dropout": 0.25,
        "learning_rate": 0.0625,
        "warm_up": 0.125,
        "coarse": 0.5,
        "average": 0.5,
        "regression_share": 0.0,
        "restarts": 2,
        "flip": False,
        "shift": 1,
        "wrap": True,
        "scale": 0.05,
        "batch_size": 1,
        "precision": "float32",
    }
    assert set(wanted) == {option.name for option in fields(AttackOptions)}
    given: list[object] = []
    for name, value in wanted.items():
        flag = name.replace("_", "-")
        given += [f"--{'' if value else 'no-'}{flag}"] if isinstance(value, bool) else [f"--{flag}", value]
    assert run("generate", "--class-id", 1, "--model", tiny_model, "--out", tmp_path / "out", *given) == 0
    result = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert result["options"] == wanted


def test_a_recipe_by_its_name(tiny_model: Path, tmp_path: Path) -> None:
    attack = ("generate", "--class-id", 1, "--model", tiny_model, "--out", tmp_path / "out", "--steps", 3)
    assert run(*attack, "--recipe", "deepinversion", "--no-flip") == 0
    result = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert result["recipe"] == {"name": "deepinversion", "changes": {"steps": 3, "flip": False}}
    assert result["options"]["prior_weight"] == 0.01
    assert result["attacker_knowledge"] == {"level": "weights"}


@pytest.mark.parametrize(
    "options",
    [
        ("--recipe", "soup"),
        ("--recipe", "paper", "--knowledge", "public-faces"),
        ("--recipe", "paper", "--start", "mean"),
        ("--knowledge", "weights", "--statistics", "faces.safetensors"),
        ("--knowledge", "weights", "--regression-share", 0.5),
    ],
)
def test_contradicting_recipes_are_one_line(
    options: tuple[str, ...], tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run("generate", "--class-id", 1, "--model", tiny_model, "--out", out, *options) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not out.exists()


@pytest.mark.parametrize(
    "command", [("generate", "--class-id", "1"), ("from-image", "a.jpg"), ("from-embedding", "a.npy")]
)
def test_defaults_are_those_of_the_attack(command: tuple[str, ...]) -> None:
    options = vars(_parser().parse_args(command))
    given = {option.name: options[option.name] for option in fields(AttackOptions)}
    # What is not given is left to the recipe.
    assert given["steps"] is None
    assert AttackOptions(**given) == AttackOptions()
    assert options["model"] == BUNDLED
    assert options["device"] == "auto"


def blank(folder: Path, *_: object) -> Path:
    write_png(folder / "wall.png", np.full((200, 200, 3), 120, dtype=np.uint8))
    return folder / "wall.png"


def corrupt(folder: Path, photograph: Path) -> Path:
    (folder / "torn.png").write_bytes(photograph.read_bytes()[:3000])
    return folder / "torn.png"


def text(name: str) -> Callable[[Path, Path], Path]:
    def write(folder: Path, _: Path) -> Path:
        (folder / name).write_text("no such thing\n")
        return folder / name

    return write


def templates(*values: float, dim: int = 32) -> Callable[[Path, Path], Path]:
    def write(folder: Path, _: Path) -> Path:
        array = np.ones((2, dim))
        array[1, : len(values)] = values
        np.save(folder / "templates.npy", array)
        return folder / "templates.npy"

    return write


def missing(name: str) -> Callable[[Path, Path], Path]:
    return lambda folder, _: folder / name


#: Arguments, the file that FILE stands for, and what the line says.
BAD_INPUT: dict[str, tuple[list[str], Callable[[Path, Path], Path], str]] = {
    "missing-photograph": (["from-image", "FILE"], missing("gone.jpg"), "no such file"),
    "folder-as-photograph": (["from-image", "FILE"], lambda folder, _: folder, "got a folder"),
    "no-face": (["from-image", "FILE"], blank, "the detector found none"),
    "second-face": (["from-image", "PHOTO", "--face", "2"], missing("-"), "expected face 2"),
    "corrupt-image": (["from-image", "FILE"], corrupt, "torn.png: damaged or truncated"),
    "text-as-image": (["from-image", "FILE"], text("a.jpg"), "expected an image"),
    "missing-photos": (["from-image", "PHOTO", "--photos", "FILE"], missing("gone"), "expected a folder"),
    "class-id": (["generate", "--class-id", "5"], missing("-"), "class id: expected 0 to 4, got 5"),
    "negative-class-id": (["generate", "--class-id", "-1"], missing("-"), "expected 0 to 4, got -1"),
    "class-name": (["generate", "--class-name", "Ann Abel"], missing("-"), "the nearest is 'Ann Able'"),
    "no-class": (["generate"], missing("-"), "class id or a class name"),
    "no-class-photos": (["generate", "--class-id", "0", "--photos", "FILE"], missing("gone"), "--photos"),
    "missing-model": (["generate", "--class-id", "0", "--model", "FILE"], missing("gone.pt"), "no such file"),
    "text-model": (["generate", "--class-id", "0", "--model", "FILE"], text("model.pt"), "model.pt: "),
    "text-safetensors": (
        ["generate", "--class-id", "0", "--model", "FILE"],
        text("model.safetensors"),
        "damaged safetensors",
    ),
    "text-onnx": (["generate", "--class-id", "0", "--model", "FILE"], text("model.onnx"), "ONNX"),
    "other-ending": (["generate", "--class-id", "0", "--model", "FILE"], text("model.txt"), ".safetensors"),
    "wrong-dimension": (["from-embedding", "FILE"], templates(dim=33), "expected templates of 32 numbers"),
    "nan-template": (["from-embedding", "FILE"], templates(float("nan")), "finite"),
    "zero-template": (["from-embedding", "FILE"], templates(*[0.0] * 32), "zero"),
    "large-template": (["from-embedding", "FILE"], templates(float("inf")), "finite"),
    "text-templates": (["from-embedding", "FILE"], text("templates.npy"), "templates.npy: expected"),
    "missing-templates": (["from-embedding", "FILE"], missing("gone.npy"), "no such file"),
    "class-loss": (["from-embedding", "FILE", "--loss", "arcface"], templates(), "cosine or euclidean"),
    "steps": (["generate", "--class-id", "0", "--steps", "-3"], missing("-"), "steps: expected"),
    "steps-in-words": (["generate", "--class-id", "0", "--steps", "many"], missing("-"), "--steps"),
    "rate": (["generate", "--class-id", "0", "--learning-rate", "inf"], missing("-"), "learning_rate"),
    "seed": (["generate", "--class-id", "0", "--seed", "-1"], missing("-"), "seed: expected"),
    "prior": (["generate", "--class-id", "0", "--prior", "best"], missing("-"), "invalid choice: 'best'"),
    "unknown-option": (["generate", "--class-id", "0", "--fast"], missing("-"), "--fast"),
    "unknown-command": (["steal"], missing("-"), "invalid choice: 'steal'"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_is_one_line(
    case: str, tiny_model: Path, photograph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, make, said = BAD_INPUT[case]
    given = tmp_path / "given"
    given.mkdir()
    file = make(given, photograph)
    before = names(tmp_path)
    places = {"FILE": str(file), "PHOTO": str(photograph)}
    arguments = [places.get(argument, argument) for argument in arguments]
    if "--model" not in arguments and arguments[0] != "steal":
        arguments += ["--model", str(tiny_model)]
    if arguments[0] != "steal":
        arguments += ["--out", str(tmp_path / "deep" / "out")]
    code = run(*arguments)
    printed = capsys.readouterr()
    assert code == 2
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert printed.err.startswith("error: ")
    assert said in printed.err
    assert names(tmp_path) == before


@pytest.mark.parametrize("form", ["pickle", "torch"])
def test_a_hostile_model_is_not_run(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, trace = tmp_path / "model.pt", tmp_path / "was-run"
    if form == "pickle":
        model.write_bytes(pickle.dumps({"conv1.weight": Bomb(trace)}))
    else:
        torch.save({"conv1.weight": Bomb(trace)}, model)
    code = run("generate", "--class-id", 0, "--model", model, "--out", tmp_path / "out")
    error = capsys.readouterr().err
    assert code == 2
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    assert names(tmp_path) == ["model.pt"]


def test_a_hostile_template_is_not_run(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "templates.npy", np.array([Bomb(tmp_path / "was-run")], dtype=object))
    code = run("from-embedding", tmp_path / "templates.npy", "--model", tiny_model, "--out", tmp_path / "out")
    error = capsys.readouterr().err
    assert code == 2
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    assert names(tmp_path) == ["templates.npy"]


@pytest.mark.parametrize("out", ["file", "file/below", "full"])
def test_an_unusable_out_is_one_line(
    out: str, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("a file")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("ten years of work")
    before = names(tmp_path)
    code = run("generate", "--class-id", 0, "--model", tiny_model, "--out", tmp_path / out)
    printed = capsys.readouterr()
    assert code == 2
    assert printed.err.startswith("error: ")
    assert len(printed.err.splitlines()) == 1
    assert "--out" in printed.err
    assert names(tmp_path) == before


def interrupt_in(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = cli._Progress.__call__

    def interrupted(self: cli._Progress, number: int, batches: int, step: object) -> None:
        if number == batch:
            raise KeyboardInterrupt
        progress(self, number, batches, step)  # type: ignore[arg-type]

    monkeypatch.setattr(cli._Progress, "__call__", interrupted)


def test_ctrl_c_keeps_what_is_finished(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt_in(2, monkeypatch)
    out = tmp_path / "out"
    code = run(
        "generate", "--class-id", 3, 1, "--batch-size", 1, "--steps", 2, "--model", tiny_model, "--out", out
    )
    assert code == 130
    assert names(out) == ["class3_sample0.png", "result.json", "sheet.png"]
    assert json.loads((out / "result.json").read_text(encoding="utf-8"))["interrupted"] is True
    assert read_image(out / "class3_sample0.png").shape == (112, 112, 3)
    assert "Interrupted: what was finished is kept." in capsys.readouterr().out


def test_ctrl_c_at_once_writes_nothing(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt_in(1, monkeypatch)
    monkeypatch.chdir(tmp_path)
    code = run("generate", "--class-id", 3, "--steps", 2, "--model", tiny_model)
    assert code == 130
    assert "nothing was written" in capsys.readouterr().err
    assert names(tmp_path) == []


def test_the_bar_looks_at_the_loss_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looks: list[int] = []

    class Parts(dict[str, float]):
        def items(self) -> Any:
            looks.append(1)
            return super().items()

    monkeypatch.setattr(cli.time, "monotonic", lambda: 1000.0)
    with cli._Progress() as progress:
        for batch in (1, 2):
            for number in range(1, 301):
                progress(batch, 2, Step(number, 300, Parts(identity=0.5), lambda: torch.zeros(1)))
        bar = progress.bar(0, "")
        assert (bar.n, bar.total) == (600, 600)
        # Memory was short: what was one batch is now two smaller ones of three.
        progress(2, 3, Step(1, 300, Parts(identity=0.5), lambda: torch.zeros(1)))
        assert (bar.n, bar.total) == (301, 900)
    # At first, at both batches' last steps, and each time that the clock says so.
    assert len(looks) == 3
    assert "identity=0.500" in capsys.readouterr().err


def test_a_long_list_is_cut(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_LISTED", 1)
    command = ("generate", "--class-id", 0, 1, 2, "--steps", 1, "--model", tiny_model)
    assert run(*command, "--out", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert "class0_sample0.png" in printed
    assert "class1_sample0.png" not in printed
    assert "... and 2 more in result.json" in printed


def test_a_bug_keeps_its_traceback(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> NDArray[np.uint8]:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("arcinvert.attack.invert", broken)
    with pytest.raises(ZeroDivisionError, match="a bug"):
        main(["generate", "--class-id", "0", "--model", str(tiny_model), "--out", "never"])
    assert not Path("never").exists()


@pytest.mark.parametrize("command", [(), ("generate",), ("from-image",), ("from-embedding",)])
def test_help(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*command, "--help") == 0
    printed = capsys.readouterr().out
    assert "arcinvert" in printed
    for option in fields(AttackOptions) if command else ():
        assert f"--{option.name.replace('_', '-')}" in printed
    if command:
        words = " ".join(printed.split())
        assert f"of the optimiser; 0: the parametrisation's own (default: {AttackOptions().steps})" in words
        assert f"of total variation (default: {AttackOptions().tv_weight})" in words


def test_help_does_not_import_torch() -> None:
    program = (
        "import sys\n"
        "from arcinvert.cli.main import main\n"
        "try:\n"
        "    main(['generate', '--help'])\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0\n"
        "print([name for name in ('torch', 'numpy', 'dlib', 'PIL') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "--class-id" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "arcinvert", "generate", "--steps", "many"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
