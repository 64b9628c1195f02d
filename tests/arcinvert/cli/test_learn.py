"""`arcinvert learn`: from a folder of faces to a decoder that attacks find, and refusals in one line."""

from pathlib import Path

import numpy as np
import pytest

from arcinvert.knowledge.decoder_file import find_decoder
from recognition.images import write_png
from recognition.loading import load
from tests.arcinvert.cli.commands import assert_one_line, run


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """As many crops as templates of five dimensions need, and a file that is none."""
    folder = tmp_path / "crops"
    folder.mkdir()
    for number, crop in enumerate(
        np.random.default_rng(0).integers(0, 256, (24, 112, 112, 3), dtype=np.uint8)
    ):
        write_png(folder / f"{number}.png", crop)
    (folder / "damaged.png").write_bytes(b"nothing")
    return folder


CODE = """
import torch
from recognition.recogniser import Preprocessing, Recogniser


def small():
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        torch.nn.AvgPool2d(8), torch.nn.Conv2d(3, 2, 3), torch.nn.Flatten(), torch.nn.Linear(288, 5)
    )
    return Recogniser(layers, name="small", preprocessing=Preprocessing())
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "small_network.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


LEARN = (
    "learn",
    "--model",
    "small_network:small",
    "--images",
    "crops",
    "--batch-size",
    "8",
    "--device",
    "cpu",
)


def test_a_decoder_is_learned_and_resumed(
    crops: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*LEARN, "--dry-run") == 0
    assert "images/s, peak memory" in capsys.readouterr().out
    assert not (work / "d.safetensors").exists()
    arguments = (*LEARN, "--epochs", "2", "--out", "d.safetensors")
    assert run(*arguments, "--stop-after", "1") == 0
    assert "Wrote d.safetensors after 1 epochs: decoder similarity " in capsys.readouterr().out
    assert run(*arguments, "--strict") == 3
    assert "Wrote d.safetensors after 2 epochs" in capsys.readouterr().out
    decoder = find_decoder(load("small_network:small"), "d.safetensors")
    assert decoder is not None
    assert decoder.faces == "22 public faces"


def test_refusals_are_one_line(crops: Path, work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more in (("--epochs", "0"), ("--stop-after", "0"), ()):
        assert run(*LEARN, *more) == 2
        assert_one_line(capsys.readouterr().err)
    assert sorted(path.name for path in work.iterdir() if path.name != "__pycache__") == [
        "crops",
        "small_network.py",
    ]
