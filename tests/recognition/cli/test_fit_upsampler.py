"""`fit-upsampler`: what it writes and prints, and what it refuses."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from recognition.appearance import upsampler_fitting
from recognition.appearance.upsampling import Upsampler, load_upsampler
from tests.recognition.cli.helpers import run
from tests.recognition.conftest import write_people


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    return write_people(tmp_path / "faces", [f"P{number:02}" for number in range(11)], 10)


def test_an_upsampler_is_written(
    faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = []

    def made_up(paths: Sequence[Path]) -> Tensor:
        # Made-up photographs show no face.
        return torch.zeros(len(paths) - 1, 3, 224, 224, dtype=torch.uint8)

    def fitted(faces: Tensor, *, seed: int) -> Upsampler:
        seeds.append(seed)
        return Upsampler()

    monkeypatch.setattr(upsampler_fitting, "read_large_faces", made_up)
    monkeypatch.setattr(upsampler_fitting, "fit_upsampler", fitted)
    out = tmp_path / "upsampler.safetensors"
    code, printed, _ = run(capsys, "fit-upsampler", faces, "--out", out, "--seed", 7)
    assert (code, seeds) == (0, [7])
    assert printed == f"Wrote {out}, trained on 109 faces of 11 people\n"
    assert not load_upsampler(out).last.weight.any()


def test_aligned_crops_are_refused(faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "upsampler.safetensors"
    code, _, error = run(capsys, "fit-upsampler", faces, "--out", out)
    assert code == 2
    assert "expected a photograph, got an aligned crop" in error
    assert not out.exists()
