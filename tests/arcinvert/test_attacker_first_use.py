"""An attacker measures a network that has no statistics on synthetic faces, where the attack uses them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcinvert import Attacker, generate
from arcinvert.audit.attack import load_attack
from arcinvert.audit.options import AuditOptions
from arcinvert.knowledge import first_use, mapped_decoder
from arcinvert.knowledge.calibrate import calibrate
from arcinvert.knowledge.first_use import cached_path
from recognition.errors import InputError
from recognition.images import to_uint8
from tests.arcinvert.support import leave_out_judge

#: As many as the regression needs: four for each of the tiny network's dimensions.
FACES = 128


@pytest.fixture(autouse=True)
def _few_faces(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    leave_out_judge(monkeypatch)
    monkeypatch.setattr(first_use, "COUNT", FACES)
    monkeypatch.delenv("ARCINVERT_NO_CALIBRATE")
    monkeypatch.setenv("ARCINVERT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


def test_the_first_attack_uses_synthetic_faces_and_says_so(
    tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    attacker = Attacker(tiny_model, device="cpu")
    assert attacker.knowledge.statistics is None
    run = attacker.generate(0, steps=1, restarts=1)
    assert run.result["attacker_knowledge"] == {
        "level": "synthetic-faces",
        "nearest_neighbours": "128 synthetic faces",
        "regression": "128 synthetic faces",
        "face_pca": "single-photograph training faces of the bundled network (LFW)",
    }
    assert run.result["plan"]["knowledge"] == "synthetic-faces"
    assert run.result["notes"] == []
    path = cached_path(attacker.recogniser)
    assert path is not None
    assert path.is_file()
    capsys.readouterr()
    # Another attacker reads what this one has cached, without a bar, and finds the same.
    again = generate(0, model=tiny_model, device="cpu", steps=1, restarts=1)
    assert capsys.readouterr().err == ""
    assert np.array_equal(run.images[0], again.images[0])


@pytest.mark.parametrize(
    ("options", "level"),
    [
        ({"knowledge": "weights"}, "weights"),
        ({"recipe": "paper"}, "weights"),
        ({"initialisation": "noise"}, "weights"),
        ({"initialisation": "mean-face"}, "public-faces"),
    ],
)
def test_an_attack_that_does_not_use_them_measures_nothing(
    tiny_model: Path, options: dict[str, Any], level: str
) -> None:
    attacker = Attacker(tiny_model, device="cpu")
    plan = attacker.plan("template", **options)
    assert attacker.knowledge.statistics is None
    assert plan.knowledge == level


def test_it_can_be_switched_off(tiny_model: Path) -> None:
    attacker = Attacker(tiny_model, device="cpu", calibrate=False)
    assert attacker.plan("template").initialisation == "mean-face"
    with pytest.raises(InputError, match="arcinvert calibrate"):
        attacker.plan("template", initialisation="nearest-neighbours")


def test_given_knowledge_is_taken_as_it_is(tiny_model: Path, tmp_path: Path) -> None:
    known = Attacker(tiny_model, device="cpu", calibrate=False).knowledge
    attacker = Attacker(tiny_model, device="cpu", knowledge=known)
    assert attacker.plan("template").initialisation == "mean-face"
    path, _ = calibrate(tiny_model, out=tmp_path / "s.safetensors", faces=4, keep_faces=False, device="cpu")
    with_file = Attacker(tiny_model, device="cpu", statistics=path)
    assert with_file.plan("template").initialisation == "mean-face"
    assert with_file.knowledge.nearest_neighbours is None


def test_the_bundled_network_keeps_its_own_statistics() -> None:
    attacker = Attacker(device="cpu")
    plan = attacker.plan("template")
    assert plan.initialisation == "decoder"
    assert plan.knowledge == "public-faces"
    with pytest.raises(InputError, match=r"^lfw-iresnet18: expected --out with synthetic faces"):
        calibrate("lfw-iresnet18", device="cpu")


@pytest.mark.parametrize(("calibrating", "level"), [(True, "synthetic-faces"), (False, "public-faces")])
def test_the_audit_measures_too(tiny_model: Path, tmp_path: Path, calibrating: bool, level: str) -> None:
    attack = load_attack(
        AuditOptions(
            model=str(tiny_model), images=tmp_path, calibrate=calibrating, device="cpu"
        ).with_budget()
    )
    assert attack.describe()["knowledge"]["level"] == level


def test_a_network_without_a_decoder_gets_the_bundled_one_behind_a_map(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped_decoder, "MOST_FACES", 16)
    attacker = Attacker(tiny_model, device="cpu")
    run = attacker.from_embedding(np.ones(32), steps=0, initialisation="decoder")
    used = run.result["attacker_knowledge"]
    assert used["level"] == "synthetic-faces"
    assert used["decoder_map"] == "16 synthetic faces"
    assert used["decoder"].endswith("faces")
    assert run.result["notes"][-1].startswith(
        "The decoder is that of lfw-distilled, as tiny has none of its own."
    )
    decoder = attacker.knowledge.decoder
    assert decoder is not None
    template = torch.ones(1, 32) / 32**0.5
    assert np.array_equal(run.images[0], to_uint8(decoder.decoded(template, 112))[0])
    # What starts without a decoder goes on doing so, and does not speak of one.
    plan = attacker.plan("template")
    assert (plan.initialisation, plan.notes) == ("nearest-neighbours", ())
    assert "decoder_map" not in plan.knowledge_used
    assert "decoder_map" in attacker.plan("template", parametrisation="decoder").knowledge_used


def test_without_faces_there_is_no_map_and_one_line_says_so(tiny_model: Path) -> None:
    attacker = Attacker(tiny_model, device="cpu", calibrate=False)
    for name in ("initialisation", "parametrisation"):
        with pytest.raises(
            InputError, match=f"^{name}: expected a decoder of templates of tiny.*bundled one, which takes"
        ):
            attacker.plan("template", **{name: "decoder"})
