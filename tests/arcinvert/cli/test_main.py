"""The command line: help, exit codes, and that input that cannot be used ends in one line and code 2."""

import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import arcinvert
from arcinvert.cli.main import COMMANDS, build_parser, main
from arcinvert.options import AttackOptions
from recognition.images import write_png
from tests.arcinvert.cli.commands import Bomb, assert_one_line, names_below, run


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


CLASS = ("generate", "--class-id", "0")
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
    "class-name": (["generate", "--class-name", "Ann Abel"], missing("-"), "the nearest: 'Ann Able'"),
    "no-class": (["generate"], missing("-"), "generate: expected --class-id or --class-name, got neither"),
    "no-class-photos": ([*CLASS, "--photos", "FILE"], missing("gone"), "--photos"),
    "missing-model": ([*CLASS, "--model", "FILE"], missing("gone.pt"), "no such file"),
    "text-model": ([*CLASS, "--model", "FILE"], text("model.pt"), "model.pt: "),
    "text-safetensors": ([*CLASS, "--model", "FILE"], text("model.safetensors"), "damaged safetensors"),
    "text-onnx": ([*CLASS, "--model", "FILE"], text("model.onnx"), "ONNX"),
    "other-ending": ([*CLASS, "--model", "FILE"], text("model.txt"), ".safetensors"),
    "missing-statistics": ([*CLASS, "--statistics", "FILE"], missing("gone"), "expected a statistics file"),
    "wrong-dimension": (["from-embedding", "FILE"], templates(dim=33), "expected templates of 32 numbers"),
    "nan-template": (["from-embedding", "FILE"], templates(float("nan")), "finite"),
    "zero-template": (["from-embedding", "FILE"], templates(*[0.0] * 32), "zero"),
    "large-template": (["from-embedding", "FILE"], templates(float("inf")), "finite"),
    "text-templates": (["from-embedding", "FILE"], text("templates.npy"), "templates.npy: expected"),
    "missing-templates": (["from-embedding", "FILE"], missing("gone.npy"), "no such file"),
    "class-loss": (["from-embedding", "FILE", "--loss", "arcface"], templates(), "cosine or euclidean"),
    "steps": ([*CLASS, "--steps", "-3"], missing("-"), "steps: expected"),
    "steps-in-words": ([*CLASS, "--steps", "many"], missing("-"), "--steps"),
    "steps-fraction": ([*CLASS, "--steps", "1.5"], missing("-"), "expected a whole number, got '1.5'"),
    "rate": ([*CLASS, "--learning-rate", "inf"], missing("-"), "learning_rate"),
    "seed": ([*CLASS, "--seed", "-1"], missing("-"), "seed: expected"),
    "penalty": ([*CLASS, "--penalty", "best=1"], missing("-"), "penalty: expected one of tv, colour-tv"),
    "penalty-weight": ([*CLASS, "--penalty", "tv=much"], missing("-"), "penalty tv: expected a number"),
    "penalty-form": ([*CLASS, "--penalty", "tv"], missing("-"), "penalty: expected NAME=VALUE, got 'tv'"),
    "penalty-negative": (
        [*CLASS, "--penalty", "tv=-1"],
        missing("-"),
        "penalty tv: expected",
    ),
    "device": ([*CLASS, "--device", "tpu"], missing("-"), "device: expected auto, cpu, mps, cuda or,"),
    "unknown-option": ([*CLASS, "--fast"], missing("-"), "--fast"),
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
    before = names_below(tmp_path)
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
    assert_one_line(printed.err)
    assert said in printed.err
    assert names_below(tmp_path) == before


@pytest.mark.parametrize("form", ["pickle", "torch"])
def test_a_hostile_model_is_not_run(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, trace = tmp_path / "model.pt", tmp_path / "was-run"
    if form == "pickle":
        model.write_bytes(pickle.dumps({"conv1.weight": Bomb(trace)}))
    else:
        torch.save({"conv1.weight": Bomb(trace)}, model)
    code = run("generate", "--class-id", 0, "--model", model, "--out", tmp_path / "out")
    assert code == 2
    assert_one_line(capsys.readouterr().err)
    assert names_below(tmp_path) == ["model.pt"]


@pytest.mark.parametrize("out", ["file", "file/below", "full"])
def test_an_unusable_out_is_one_line(
    out: str, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("a file")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("ten years of work")
    before = names_below(tmp_path)
    code = run("generate", "--class-id", 0, "--model", tiny_model, "--out", tmp_path / out)
    error = capsys.readouterr().err
    assert code == 2
    assert_one_line(error)
    assert "--out" in error
    assert names_below(tmp_path) == before


def test_a_bug_keeps_its_traceback(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> NDArray[np.uint8]:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("arcinvert.attack.invert", broken)
    out = tmp_path / "never"
    with pytest.raises(ZeroDivisionError, match="a bug"):
        main(["generate", "--class-id", "0", "--model", str(tiny_model), "--out", str(out)])
    assert not out.exists()


@pytest.mark.parametrize("command", [(), ("generate",), ("from-image",), ("from-embedding",)])
def test_help(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*command, "--help") == 0
    printed = capsys.readouterr().out
    assert "arcinvert" in printed
    for option in fields(AttackOptions) if command else ():
        assert f"--{option.name.replace('_', '-')}" in printed
    if command:
        words = " ".join(printed.split())
        assert "the optimiser steps of each image" in words
        assert "(default: tv=2, pca-prior=0.3, code-prior=0.1, colour-tv=1 along the" in words
        assert "(default: arcface for a class, cosine for a template)" in words


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["generate"],
        ["from-image"],
        ["from-embedding"],
        ["calibrate"],
        ["inspect"],
        ["export"],
        ["models"],
        ["models", "list"],
    ],
)
def test_help_imports_no_torch(command: list[str]) -> None:
    program = (
        "import sys\n"
        "from arcinvert.cli.main import main\n"
        "try:\n"
        f"    main([*{command!r}, '--help'])\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0\n"
        "print([name for name in ('torch', 'numpy', 'dlib', 'PIL', 'onnx') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "--help" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("module", COMMANDS)
def test_the_names_of_a_modules_commands_are_those_that_it_adds(module: str) -> None:
    for name in COMMANDS[module]:
        alone = re.findall(r"^ {4}(\S+)", build_parser(name).format_help(), flags=re.MULTILINE)
        assert tuple(alone) == COMMANDS[module]


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "arcinvert", "generate", "--steps", "many"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert_one_line(done.stderr)


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"arcinvert {arcinvert.__version__}\n"
