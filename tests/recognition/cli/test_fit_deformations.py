"""`fit-deformations`: what it writes and prints, and what it refuses."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recognition.appearance import fitting
from recognition.appearance.change import SIDE
from recognition.appearance.deformations import load_deformations
from recognition.appearance.fitting import LabelledFaces
from tests.recognition.appearance.deformations import made_up_deformations
from tests.recognition.cli.helpers import run
from tests.recognition.conftest import write_people


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Aligned folders of 110 faces, with made-up landmarks: those of made-up photographs show nothing."""

    def made_up(paths: Sequence[Path]) -> LabelledFaces:
        generator = np.random.default_rng(0)
        pictures = torch.from_numpy(generator.random((len(paths), 3, SIDE, SIDE))).float()
        points = generator.uniform(10, 100, (len(paths), 68, 2))
        return LabelledFaces(pictures, points, [path.parent.name for path in paths])

    monkeypatch.setattr(fitting, "labelled", made_up)
    without = replace(made_up_deformations(), ages=None)
    monkeypatch.setattr(fitting, "fit_deformations", lambda faces: without)
    return write_people(tmp_path / "faces", [f"P{number:02}" for number in range(11)], 10)


def test_deformations_are_written(faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, again = tmp_path / "deformations.safetensors", tmp_path / "again.safetensors"
    code, printed, _ = run(capsys, "fit-deformations", faces, "--out", out)
    assert code == 0
    assert printed == f"Wrote {out}, fitted on 110 faces of 11 people\n"
    assert run(capsys, "fit-deformations", faces, "--out", again)[0] == 0
    first, second = load_deformations(out), load_deformations(again)
    assert first.ages is None
    assert torch.equal(first.yaw.flows, second.yaw.flows)
    assert torch.equal(first.expressions["smile"].flow, second.expressions["smile"].flow)


def test_labels_add_ages(faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels, out = tmp_path / "labels.csv", tmp_path / "deformations.safetensors"
    rows = [
        f"{path.parent.name},{path.stem},0.5,{20 + number % 60}"
        for number, path in enumerate(sorted(faces.rglob("*.*")))
    ]
    labels.write_text("\n".join(["identity,photograph,male,age", *rows]))
    assert run(capsys, "fit-deformations", faces, "--out", out, "--labels", labels)[0] == 0
    ages = load_deformations(out).ages
    assert ages is not None
    assert float(ages.read(torch.full((1, 3, SIDE, SIDE), 0.5))) == pytest.approx(49, abs=25)
    labels.write_text("\n".join(["identity,photograph,male,age", *rows[:-1]]))
    again = tmp_path / "again.safetensors"
    code, _, error = run(capsys, "fit-deformations", faces, "--out", again, "--labels", labels)
    assert code == 2
    assert "expected a label of each photograph" in error
    assert not again.exists()


def test_people_of_the_split_are_left_out(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A person whom the bundled networks were not trained on.
    write_people(faces, ["Abdoulaye_Wade"], 3)
    out = tmp_path / "deformations.safetensors"
    code, printed, _ = run(capsys, "fit-deformations", faces, "--out", out, "--split-of", "lfw-distilled")
    assert code == 0
    assert "110 faces of 11 people" in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--faces", 5), "faces: expected 100 or more, got 5"),
        (("--split-of", "none.safetensors"), "none.safetensors"),
    ],
)
def test_what_is_refused(
    faces: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[object, ...],
    message: str,
) -> None:
    out = tmp_path / "deformations.safetensors"
    code, _, error = run(capsys, "fit-deformations", faces, "--out", out, *options)
    assert code == 2
    assert message in error
    assert not out.exists()
