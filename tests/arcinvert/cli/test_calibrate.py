"""`arcinvert calibrate`: a network without BatchNorm is measured, and attacked with what was measured."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from arcinvert.knowledge import first_use
from arcinvert.knowledge.calibrate import PHOTOGRAPHS
from arcinvert.knowledge.synthetic_faces import COUNT
from tests.arcinvert.cli.commands import assert_one_line, run
from tests.arcinvert.colours import CODE, make_people


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_people(tmp_path_factory.mktemp("coloured"))


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "own_networks.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    # Other tests have another module of this name.
    sys.modules.pop("own_networks", None)


@pytest.mark.filterwarnings("ignore")
def test_a_network_without_statistics_is_calibrated_and_attacked(
    coloured: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from own_networks import Folded  # type: ignore[import-not-found]

    network: nn.Module = Folded().eval()
    torch.onnx.export(
        network,
        (torch.zeros(1, 3, 112, 112),),
        work / "folded.onnx",
        dynamo=False,
        input_names=["x"],
        dynamic_axes={"x": {0: "n"}},
    )
    np.save(work / "template.npy", np.ones(5))
    attack = ["from-embedding", "template.npy", "--model", "folded.onnx", "--steps", "2"]
    # Without face PCA the penalty is part of the recipe.
    attack += ["--parametrisation", "pixels", "--out"]
    assert run(*attack, "first") == 0
    note = next(line for line in capsys.readouterr().out.splitlines() if "without the penalty bn" in line)
    assert note.startswith("folded is attacked without the penalty bn: ")
    assert "arcinvert calibrate" in note
    assert run(*attack, "refused", "--penalty", "bn=1") == 2
    assert_one_line(capsys.readouterr().err)
    assert run("calibrate", "--model", "folded.onnx", "--images", str(coloured)) == 0
    assert "3 layers of folded on 16 public faces, 16 faces as nearest neighbours" in capsys.readouterr().out
    assert run("inspect", "folded.onnx") == 0
    assert "no BatchNorm; 3 layers measured on 16 public faces" in capsys.readouterr().out
    assert run(*attack, "second") == 0
    result = json.loads((work / "second" / "result.json").read_text())
    assert result["attacker_knowledge"]["statistics"] == "16 public faces"
    assert result["attacker_knowledge"]["level"] == "public-faces"
    (work / "folded.onnx.statistics.safetensors").rename(work / "elsewhere.safetensors")
    assert run(*attack, "third", "--statistics", "elsewhere.safetensors", "--initialisation", "noise") == 0
    result = json.loads((work / "third" / "result.json").read_text())
    assert result["attacker_knowledge"] == {"level": "public-faces", "statistics": "16 public faces"}


def test_without_photographs_synthetic_faces_are_measured(
    tiny_model: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = work / "own.safetensors"
    model.write_bytes(tiny_model.read_bytes())
    assert run("calibrate", "--model", str(model), "--faces", "6") == 0
    out = capsys.readouterr().out
    assert "on 6 synthetic faces, 6 faces as nearest neighbours, no regression, of too few faces" in out
    np.save(work / "template.npy", np.ones(32))
    assert run("from-embedding", "template.npy", "--model", str(model), "--steps", "1", "--out", "out") == 0
    known = json.loads((work / "out" / "result.json").read_text())["attacker_knowledge"]
    assert (known["level"], known["nearest_neighbours"]) == ("synthetic-faces", "6 synthetic faces")


def test_the_first_attack_shows_a_bar_and_can_go_without(
    tiny_model: Path, work: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARCINVERT_NO_CALIBRATE")
    monkeypatch.setenv("ARCINVERT_CACHE", str(work / "cache"))
    monkeypatch.setattr(first_use, "COUNT", 6)
    np.save(work / "template.npy", np.ones(32))
    attack = ["from-embedding", "template.npy", "--model", str(tiny_model), "--steps", "1", "--out"]
    assert run(*attack, "without", "--no-calibrate") == 0
    assert "synthetic" not in capsys.readouterr().err
    # The precision that a network is faster with may be kept there, too.
    assert not list((work / "cache").glob("*.safetensors"))
    assert run(*attack, "with") == 0
    assert "measure on synthetic faces" in capsys.readouterr().err
    levels = [
        json.loads((work / name / "result.json").read_text())["attacker_knowledge"]["level"]
        for name in ("without", "with")
    ]
    assert levels == ["public-faces", "synthetic-faces"]
    assert len(list((work / "cache").glob("*.safetensors"))) == 1


def test_the_default_numbers_in_the_help_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("calibrate", "--help") == 0
    words = " ".join(capsys.readouterr().out.split())
    assert (
        f"photographs (default: {PHOTOGRAPHS}), or the number of synthetic faces (default: {COUNT})" in words
    )
