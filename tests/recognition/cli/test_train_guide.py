"""`train-guide`: what it writes and prints, and what it refuses."""

from pathlib import Path

import pytest
import torch

from recognition.appearance import training
from recognition.appearance.guide import load_guide
from recognition.appearance.training import LabelledFaces
from tests.recognition.cli.helpers import run
from tests.recognition.conftest import write_people


@pytest.fixture
def faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Aligned folders of 110 faces, whose labels are made up: landmarks on all of them take a second."""

    def made_up(paths: list[Path]) -> LabelledFaces:
        generator = torch.Generator().manual_seed(0)
        pictures = torch.rand(len(paths), 1, 56, 56, generator=generator)
        values = torch.randn(len(paths), 5, generator=generator)
        return LabelledFaces(pictures, values, [path.parent.name for path in paths])

    monkeypatch.setattr(training, "labelled", made_up)
    return write_people(tmp_path / "faces", [f"P{number:02}" for number in range(11)], 10)


def test_a_guide_is_written(faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "guide.safetensors"
    code, printed, _ = run(capsys, "train-guide", faces, "--out", out, "--epochs", 1)
    assert code == 0
    assert "110 faces of 11 people; on 10 faces of people left out:" in printed
    assert "yaw" in printed
    guide = load_guide(out)
    again = tmp_path / "again.safetensors"
    assert run(capsys, "train-guide", faces, "--out", again, "--epochs", 1)[0] == 0
    assert all(map(torch.equal, load_guide(again).state_dict().values(), guide.state_dict().values()))
    assert torch.equal(load_guide(again).labels.quantiles, guide.labels.quantiles)


def test_people_of_the_split_are_left_out(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A person whom the bundled networks were not trained on.
    write_people(faces, ["Abdoulaye_Wade"], 3)
    out = tmp_path / "guide.safetensors"
    split = ("--split-of", "lfw-distilled", "--epochs", 1)
    code, printed, _ = run(capsys, "train-guide", faces, "--out", out, *split)
    assert code == 0
    assert printed.startswith("110 faces of 11 people")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--epochs", 0), "epochs: expected 1 or more, got 0"),
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
    out = tmp_path / "guide.safetensors"
    code, _, error = run(capsys, "train-guide", faces, "--out", out, *options)
    assert code == 2
    assert message in error
    assert not out.exists()
