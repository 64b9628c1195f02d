"""inspect, calibrate and export from the command line, on tiny networks and made-up people."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from arcinvert.cli import main as cli
from arcinvert.inspection import describe, inspect
from recognition.images import write_png
from recognition.loading import ModelChoice

CODE = """
import torch
from torch import nn

class Colours(nn.Module):
    '''Tells people apart by red against blue, if the scale is -1..1.'''

    def __init__(self):
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, images):
        red, green, blue = images.flatten(2).mean(2).T
        wild = torch.sin(40 * blue), torch.cos(40 * blue)
        return torch.stack([red, green, 0.3 * wild[0], 0.3 * wild[1]], 1)

def make():
    return Colours()

class Folded(nn.Module):
    '''Convolutions without BatchNorm.'''

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.convs = nn.Sequential(nn.Conv2d(3, 4, 5, 8), nn.ReLU(), nn.Conv2d(4, 6, 3, 4))
        self.linear = nn.Linear(6 * 9, 5)

    def forward(self, images):
        return self.linear(self.convs(images).flatten(1))
"""


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People of different reds and greens, each with images of every blue."""
    root = tmp_path_factory.mktemp("coloured")
    chance = np.random.default_rng(0)
    for person in range(8):
        (root / f"p{person}").mkdir()
        red, green = 255 * (0.5 + 0.45 * np.array([np.cos(person), np.sin(person)]))
        for number in range(2):
            image = np.zeros((112, 112, 3), np.uint8)
            image[:] = (red, green, chance.integers(0, 256))
            write_png(root / f"p{person}" / f"{number}.png", image)
    return root


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own_colours.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    return int(str(ended.value.code))


def test_a_wrong_channel_order_shows_and_the_right_one_is_suggested(coloured: Path, work: Path) -> None:
    right = inspect("own_colours:make", images=coloured).check
    wrong = inspect(ModelChoice("own_colours:make", preset="channels=BGR"), images=coloured)
    assert right is not None
    assert wrong.check is not None
    assert wrong.check.separation < right.separation
    assert not wrong.check.understood
    assert wrong.check.suggestion is not None
    assert "BGR" not in wrong.check.suggestion
    assert "not understood: --preset" in describe(wrong)[-1]


def test_inspect_says_what_a_network_is(
    tiny_model: Path, coloured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("inspect", str(tiny_model), "--json", "--images", str(coloured)) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["embedding"] == "32 dimensions"
    assert told["centres"] == "5 classes, with names"
    assert told["statistics"] == "30 BatchNorm layers"
    assert told["because"] == "saved with the network"
    assert told["self_check"]["pairs"] == [8, 56]
    assert run("inspect", str(tiny_model)) == 0
    assert "self-check: not made; give --images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--images", "none"], "expected a folder of one folder per identity"),
        (["--pairs", "none"], "expected --images with --pairs"),
        (["--preset", "none"], "preset: expected one of"),
    ],
)
def test_unusable_options_are_one_line(
    arguments: list[str], message: str, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("inspect", str(tiny_model), *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.filterwarnings("ignore")
def test_a_network_without_statistics_is_calibrated_and_attacked(
    coloured: Path, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from own_colours import Folded  # type: ignore[import-not-found]

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
    attack = ["from-embedding", "template.npy", "--model", "folded.onnx", "--steps", "2", "--out"]
    assert run(*attack, "first") == 2
    assert "arcinvert calibrate --model" in capsys.readouterr().err
    assert run("calibrate", "--model", "folded.onnx", "--images", str(coloured)) == 0
    assert "3 layers of folded on 16 faces, 16 look-alikes" in capsys.readouterr().out
    assert run("inspect", "folded.onnx") == 0
    assert "no BatchNorm; 3 layers measured on 16 faces" in capsys.readouterr().out
    assert run(*attack, "second") == 0
    result = json.loads((work / "second" / "result.json").read_text())
    assert result["attacker_knowledge"]["statistics"] == "16 public faces"
    assert result["attacker_knowledge"]["level"] == "public-faces"
    (work / "folded.onnx.statistics.safetensors").rename(work / "elsewhere.safetensors")
    assert run(*attack, "third", "--statistics", "elsewhere.safetensors", "--start", "noise") == 0
    result = json.loads((work / "third" / "result.json").read_text())
    assert result["attacker_knowledge"] == {"level": "public-faces", "statistics": "16 public faces"}


def test_export_and_the_list_of_models(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export", str(tiny_model), str(tmp_path / "model.pt")) == 0
    assert run("inspect", str(tmp_path / "model.pt")) == 0
    assert "network iresnet18" in capsys.readouterr().out
    assert run("models", "list") == 0
    assert "insightface-r50-webface600k: IResNet-50" in capsys.readouterr().out
    assert run("models", "fetch", "none") == 2
    assert "model: expected one of insightface-r50" in capsys.readouterr().err
