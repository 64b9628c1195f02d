"""A whole attack on a device without double precision, whose memory is not the CPU's: as Apple's MPS."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from arcinvert import Attacker, attacker
from arcinvert.knowledge.calibrate import measure_synthetic
from arcinvert.knowledge.knowledge import load_knowledge
from recognition.loading import load
from tests.arcinvert.inversion.devices import OtherTensor, other_device
from tests.arcinvert.support import leave_out_judge

#: Faces enough for a regression and for skin tones.
FACES = 512


def test_a_whole_attack_runs_on_another_device(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Synthetic faces are measured there, and classes attacked with all that was measured."""
    leave_out_judge(monkeypatch)
    recogniser = load(tiny_model)
    known = load_knowledge(recogniser)
    with other_device() as device:
        monkeypatch.setattr(attacker, "choose_device", lambda name: device)
        measured = measure_synthetic(recogniser.to(device), FACES)
        assert measured.regression is not None
        found = Attacker(recogniser, knowledge=replace(known, statistics=measured))
        assert isinstance(found.recogniser.centres, OtherTensor)
        assert found.dtype == torch.float32
        run = found.generate(
            [0, 3],
            steps=2,
            restarts=2,
            low_resolution=0.5,
            average=0.5,
            early_stopping=0.1,
            penalty={"bn-per-position": 1.0},
            skin_tone=True,
            regression_blend=0.5,
            yaw=-10.0,
            expression="smile",
            age=60.0,
        )
        plan = found.plan("class")
    assert plan.initialisation == "nearest-neighbours"
    assert len(run.images) == 2
    assert all(type(one) is not Tensor and one.shape == (112, 112, 3) for one in run.images)
    assert all(-1 <= sample["attacked_similarity"] <= 1 for sample in run.samples)
