"""The commands on any network: its preprocessing, its outputs, and embeddings that are no numbers."""

import json
import sys

import pytest
import torch

from recognition.images import read_image, to_tensor
from recognition.loading import ModelChoice, load
from tests.recognition.cli.helpers import run
from tests.recognition.conftest import write_people
from tests.recognition.loading.files import save, state_of, tiny_body

CODE = """
import torch
from torch import nn

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(48, 4), nn.Linear(48, 6)

    def forward(self, images):
        pooled = nn.functional.adaptive_avg_pool2d(images, 4).flatten(1)
        return {"first": self.first(pooled), "second": self.second(pooled)}

class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(48, 4)

    def forward(self, images):
        found = self.linear(nn.functional.adaptive_avg_pool2d(images, 4).flatten(1))
        # Finite for the noise that a network is probed with, not for smooth images.
        rough = images.diff(dim=3).abs().mean((1, 2, 3)) > 0.4
        return found / rough[:, None].float()

class Nan(Broken):
    def forward(self, images):
        found = super().forward(images)
        return torch.where(found.isfinite(), found, torch.nan)
"""


@pytest.fixture
def networks(tmp_path, monkeypatch):
    """A module of networks in the working directory."""
    (tmp_path / "few_networks.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    yield "few_networks"
    sys.modules.pop("few_networks", None)


@pytest.fixture(scope="module")
def ambiguous(tmp_path_factory):
    path = tmp_path_factory.mktemp("ambiguous") / "amb.pth"
    return save(path, state_of(tiny_body(inner_norm=True, affine=False)))


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """Enough people for pairs in ten folds."""
    return write_people(tmp_path_factory.mktemp("crowd"), [f"P{index:02}" for index in range(22)], 2, seed=5)


def similarity(out: str) -> float:
    return float(out.split()[1].rstrip(":"))


def expected(choice: ModelChoice, crops) -> float:
    """Return the similarity of two flip-averaged embeddings."""
    recogniser = load(choice)
    images = torch.stack([to_tensor(read_image(crop)) for crop in crops])
    both = torch.nn.functional.normalize(recogniser(images) + recogniser(images.flip(-1)))
    return float(both[0] @ both[1])


def test_presets_and_outputs_are_used(ambiguous, networks, people, tmp_path, capsys):
    crops = sorted(people.glob("*/*.png"))[1:3]
    found = []
    for model, option, choice in (
        (ambiguous, ("--preset", "insightface"), {"preset": "insightface"}),
        (ambiguous, ("--preset", "adaface"), {"preset": "adaface"}),
        ("few_networks:Two", ("--output", "first"), {"output": "first"}),
        ("few_networks:Two", ("--output", "second"), {"output": "second"}),
    ):
        arguments = ("compare", *crops, "--model", model, *option, "--out", tmp_path / "c.png")
        code, out, err = run(capsys, *arguments)
        assert (code, err) == (0, "")
        assert similarity(out) == pytest.approx(expected(ModelChoice(model, **choice), crops), abs=1e-3)
        found.append(similarity(out))
    assert len(set(found)) == 4
    code, _, err = run(capsys, "compare", *crops, "--model", "few_networks:Two")
    assert code == 2
    assert "give --output NAME" in err


@pytest.mark.parametrize(
    "command",
    [
        ("identify", "A", "--gallery", "PEOPLE", "--threshold", "0"),
        ("evaluate", "CROWD", "--fmr", "0.3"),
        ("evaluate", "identification", "PEOPLE"),
        ("evaluate", "angles", "PEOPLE"),
        ("merge", "PEOPLE", "--similarity", "1.0", "--out", "merged.csv"),
    ],
    ids=lambda command: "-".join(command[:2]),
)
def test_every_command_takes_them_and_tells_of_readings(
    command, ambiguous, people, crowd, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    named = {"A": sorted(people.glob("*/*.png"))[0], "PEOPLE": people, "CROWD": crowd}
    arguments = [named.get(word, word) for word in command] + ["--device", "cpu", "--model", ambiguous]
    code, _, err = run(capsys, *arguments)
    assert code == 0
    assert err.startswith(f"warning: {ambiguous}: its file does not say how images are prepared")
    assert len(err.splitlines()) == 1
    assert run(capsys, *arguments, "--preset", "adaface")[::2] == (0, "")
    code, _, err = run(capsys, *arguments, "--preset", "adaface", "--output", "1")
    assert code == 2
    assert err.count("\n") == 0
    assert "output: " in err


def test_thresholds_are_of_one_preprocessing_and_output(ambiguous, networks, crowd, tmp_path, capsys):
    crops = sorted(crowd.glob("*/*.png"))[:2]
    code, _, err = run(
        capsys,
        *("evaluate", crowd, "--model", ambiguous, "--fmr", "0.3", "--curve", "c.json"),
        *("--preset", "adaface", "--device", "cpu"),
    )
    assert (code, err) == (0, "")
    assert json.loads((tmp_path / "c.json").read_text())["preprocessing"]["channels"] == "BGR"
    verdict = ("compare", *crops, "--model", ambiguous, "--calibration", "c.json", "--fmr", "0.3")
    code, out, _ = run(capsys, *verdict, "--preset", "adaface")
    assert code == 0
    assert "at FMR 0.3" in out
    code, _, err = run(capsys, *verdict, "--preset", "insightface")
    assert code == 2
    assert "expected a calibration with the same --preset" in err
    weights = save(
        tmp_path / "two.pth", load(ModelChoice("few_networks:Two", output="first")).backbone.state_dict()
    )
    model = ("--model", f"few_networks:Two@{weights}", "--output")
    code, _, err = run(
        capsys, "evaluate", crowd, *model, "first", "--fmr", "0.3", "--curve", "o.json", "--device", "cpu"
    )
    assert code == 0, err
    verdict = ("compare", *crops, "--calibration", "o.json", "--fmr", "0.3", *model)
    assert run(capsys, *verdict, "first")[0] == 0
    code, _, err = run(capsys, *verdict, "second")
    assert code == 2
    assert "got another network's" in err


@pytest.mark.parametrize("network", ["Broken", "Nan"])
@pytest.mark.parametrize("command", ["compare", "identify", "evaluate"])
def test_embeddings_that_are_no_numbers_are_refused(command, network, networks, people, tmp_path, capsys):
    crops = sorted(people.glob("*/*.png"))[:2]
    arguments = {
        "compare": (*crops, "--threshold", "0.5", "--out", "pair.png"),
        "identify": (crops[0], "--gallery", people, "--threshold", "0.5"),
        "evaluate": (people, "--fmr", "0.3", "--curve", "curve.json"),
    }[command]
    before = sorted(tmp_path.iterdir())
    model = ("--model", f"{networks}:{network}", "--device", "cpu")
    code, out, err = run(capsys, command, *arguments, *model)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {network}: expected embeddings of finite numbers, got ")
    assert len(err.splitlines()) == 1
    assert [path for path in sorted(tmp_path.iterdir()) if path.name != "__pycache__"] == before
