"""A small audit of people who do not exist: aligned crops in folders, two tiny networks."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from arcinvert.audit.options import AuditOptions
from arcinvert.audit.runner import run_audit
from arcinvert.evaluation.judges import DlibJudge
from recognition.backbones import build_backbone
from recognition.checkpoint import save_recogniser
from recognition.images import write_png
from recognition.recogniser import Recogniser
from recognition.source import Source
from tests.conftest import TINY_ARCHITECTURE


def picture(seed: int) -> NDArray[np.uint8]:
    """A smooth coloured pattern, 112x112."""
    coarse = np.random.default_rng(seed).random((1, 3, 6, 6))
    smooth = F.interpolate(torch.from_numpy(coarse), 112, mode="bicubic").clamp(0, 1)
    return (smooth[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen identities with two crops each, that differ a little."""
    root = tmp_path_factory.mktemp("people")
    for number in range(16):
        folder = root / f"Person {number:02d}"
        folder.mkdir()
        crop = picture(number)
        write_png(folder / "1.png", crop)
        write_png(folder / "2.png", (crop * 0.9).astype(np.uint8))
    return root


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another random network, to judge by."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        options: dict[str, Any] = dict(TINY_ARCHITECTURE)
        backbone = build_backbone(options.pop("network"), **options)
        backbone.train()
        for _ in range(10):
            backbone(2 * torch.rand(8, 3, 112, 112) - 1)
    path = tmp_path_factory.mktemp("other") / "other.safetensors"
    recogniser = Recogniser(backbone.eval(), name="other", source=Source(architecture=TINY_ARCHITECTURE))
    save_recogniser(path, recogniser, extra={"mean_face": torch.full((3, 112, 112), 0.5)})
    return path


@pytest.fixture(scope="session")
def options(people: Path, tiny_model: Path, other_model: Path) -> AuditOptions:
    """Six people, three steps."""
    return AuditOptions(
        model=str(tiny_model),
        images=people,
        people=6,
        samples=1,
        steps=3,
        calibration_images=20,
        judges=(str(other_model),),
        fmr=(0.25, 0.001),
        policy_fmr=0.25,
        seed=1,
    )


@pytest.fixture(scope="session")
def finished(options: AuditOptions, people: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small audit with every section: defences, subgroups, a policy."""
    folder = tmp_path_factory.mktemp("finished")
    lines = [f"{path.name},{'left' if int(path.name[-2:]) % 9 else 'right'}" for path in people.iterdir()]
    (folder / "groups.csv").write_text("identity,side\n" + "\n".join(lines) + "\n")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("arcinvert.audit.attack.face_detected", lambda crop: True)
        whole = replace(
            options,
            steps=1,
            samples=2,
            defences=("noise",),
            defence_people=2,
            subgroups=folder / "groups.csv",
            max_sar=0.5,
        )
        run_audit(whole, folder / "out")
    return folder / "out"


@pytest.fixture
def cheap_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    """The attack's own verdicts, which an audit does not use, without dlib's seconds."""
    make_judge_cheap(monkeypatch)


def make_judge_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace dlib's network by a few pixels, and its detector by a yes."""

    def embed(_: DlibJudge, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
        return np.array([crop[::28, ::28].ravel() / 255 for crop in crops], dtype=np.float64)

    monkeypatch.setattr("arcinvert.evaluation.judges.DlibJudge.embed", embed)
    monkeypatch.setattr("arcinvert.audit.attack.face_detected", lambda crop: True)
