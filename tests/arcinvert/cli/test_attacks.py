"""What the attacking commands share: defaults, the progress bar, the table, and interruptions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from arcinvert import Attacker, Run, Step
from arcinvert.cli import attacks
from arcinvert.cli.attacks import AttackProgress, aligned, attack_arguments, print_run
from arcinvert.cli.main import build_parser
from arcinvert.cli.model_options import ModelOptions, model_options
from arcinvert.inversion.parametrisations.base import Parametrisation
from arcinvert.inversion.parametrisations.face_pca import FacePCA
from arcinvert.options import AttackOptions
from recognition.images import read_image
from tests.arcinvert.cli.commands import names_below, run
from tests.arcinvert.support import read_result


@pytest.mark.parametrize(
    "command", [("generate", "--class-id", "1"), ("from-image", "a.jpg"), ("from-embedding", "a.npy")]
)
def test_what_is_not_given_is_left_to_the_recipe(command: tuple[str, ...]) -> None:
    given = build_parser().parse_args(command)
    assert attack_arguments(given) == {}
    assert AttackOptions(**attack_arguments(given)) == AttackOptions()
    assert model_options(given) == ModelOptions()
    assert (ModelOptions().model, ModelOptions().device) == ("lfw-distilled", "auto")


def test_the_help_states_the_defaults_that_depend_on_the_image() -> None:
    shown = attacks._shown_defaults()
    assert shown["steps"] == f"{FacePCA.steps} along the face PCA, otherwise {Parametrisation.steps}"
    of_pca, otherwise = FacePCA.penalty_weights, Parametrisation.penalty_weights
    assert of_pca["bn"] == 0
    assert shown["penalty"].endswith(
        f"colour-tv={of_pca['colour-tv']:g} along the face PCA, otherwise "
        f"colour-tv={otherwise['colour-tv']:g} and bn={otherwise['bn']:g}"
    )


def interrupt_in(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = AttackProgress.__call__

    def interrupted(self: AttackProgress, step: Step) -> None:
        if step.batch == batch:
            raise KeyboardInterrupt
        progress(self, step)

    monkeypatch.setattr(AttackProgress, "__call__", interrupted)


def test_ctrl_c_keeps_what_is_finished(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt_in(2, monkeypatch)
    out = tmp_path / "out"
    code = run(
        "generate", "--class-id", 3, 1, "--batch-size", 1, "--steps", 2, "--model", tiny_model, "--out", out
    )
    assert code == 130
    assert names_below(out) == ["class3_sample0.png", "progress.jsonl", "result.json", "sheet.png"]
    assert read_result(out)["interrupted"] is True
    assert read_image(out / "class3_sample0.png").shape == (112, 112, 3)
    assert "Interrupted: what was finished is kept, and --resume goes on from it." in capsys.readouterr().out


def test_ctrl_c_at_once_writes_nothing(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupt_in(1, monkeypatch)
    monkeypatch.chdir(tmp_path)
    code = run("generate", "--class-id", 3, "--steps", 2, "--model", tiny_model)
    assert code == 130
    assert "nothing was written" in capsys.readouterr().err
    assert names_below(tmp_path) == []


def test_the_bar_reads_the_losses_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reads: list[int] = []

    class Losses(dict[str, float]):
        def items(self) -> Any:
            reads.append(1)
            return super().items()

    def step(batch: int, batches: int, number: int) -> Step:
        return Step(number, 300, Losses(identity=0.5), lambda: torch.zeros(1), batch, batches)

    monkeypatch.setattr(attacks.time, "monotonic", lambda: 1000.0)
    with AttackProgress() as progress:
        for batch in (1, 2):
            for number in range(1, 301):
                progress(step(batch, 2, number))
        bar = progress.bar(0, "")
        assert (bar.n, bar.total) == (600, 600)
        # Memory was short: what was one batch is now two smaller ones of three.
        progress(step(2, 3, 1))
        assert (bar.n, bar.total) == (301, 900)
    # At first, at both batches' last steps, and each time that the clock says so.
    assert len(reads) == 3
    assert "identity=0.500" in capsys.readouterr().err


@pytest.fixture(scope="module")
def finished(tiny_model: Path) -> Run:
    return Attacker(tiny_model, device="cpu").generate(0, steps=1)


def test_a_long_list_is_cut(finished: Run, capsys: pytest.CaptureFixture[str]) -> None:
    samples = [finished.samples[0] | {"image": f"{number}.png"} for number in range(1234)]
    print_run(replace(finished, samples=samples))
    printed = capsys.readouterr().out
    listed = [line.split()[0] for line in printed.splitlines() if ".png " in line]
    assert listed == [f"{number}.png" for number in range(40)]
    assert f"... and {1234 - 40:,} more in result.json" in printed
    assert printed.splitlines()[0] == "Ann Able: of 1,234 reconstructions 1,234 not judged"


def test_columns_are_aligned_whatever_is_in_them(finished: Run, capsys: pytest.CaptureFixture[str]) -> None:
    verdict = {
        "type_1": 0.123,
        "type_2": None,
        "accepted": {"0.01": True, "0.001": True},
        "floor_type_1": -0.25,
        "floor_type_2": None,
        "ceiling": None,
        "face_detected": True,
    }
    long = finished.samples[0] | {"image": "a" * 60 + ".png", "steps": 200_000, "seconds": 86_400.0}
    print_run(replace(finished, samples=[finished.samples[0], long | {"judge": verdict}]))
    person, _, heads, *lines = capsys.readouterr().out.splitlines()[:5]
    assert person == "Ann Able: of 2 reconstructions 1 accepted at 1 in 1,000, 1 not judged"
    for head in ("attacked", "Type I ", "Type II", "floor", "ceiling", "steps", "seconds"):
        end = heads.index(head) + len(head.rstrip())
        for line in lines:
            assert line[end - 1] != " "
            assert line[end] == " "
    start = heads.index("accepted at FMR")
    assert [line[start:] for line in lines] == ["not judged", "1 in 1,000"]


def test_aligned_rows() -> None:
    assert aligned([("a", "b", "c"), ("long", "10", "text")]) == ["a      b  c", "long  10  text"]
