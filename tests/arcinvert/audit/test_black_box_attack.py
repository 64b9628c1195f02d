"""An audit's attack on a black box: the audit has the network, the attacker's side has not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcinvert.audit.black_box_attack import load_black_box_attack
from arcinvert.audit.inputs import open_inputs
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.runner import run_audit, run_shard
from arcinvert.audit.shown import shown_options
from arcinvert.workers.options import Shard
from recognition.backbones import build_backbone
from recognition.checkpoint import load_recogniser, save_recogniser
from recognition.errors import InputError
from recognition.recogniser import Recogniser
from recognition.source import Source


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of another tiny network than the surrogate, with other dimensions."""
    architecture: dict[str, Any] = {"network": "iresnet18", "width": 1 / 16, "embedding_size": 24}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        backbone = build_backbone("iresnet18", width=1 / 16, embedding_size=24)
        backbone.train()
        for _ in range(5):
            backbone(2 * torch.rand(8, 3, 112, 112) - 1)
    path = tmp_path_factory.mktemp("target") / "target.safetensors"
    network = Recogniser(backbone.eval(), name="target", source=Source(architecture=architecture))
    save_recogniser(path, network, extra={"mean_face": torch.full((3, 112, 112), 0.5)}, notes={})
    return path


def black_box(model: Path, surrogate: Path, **more: Any) -> AuditOptions:
    chosen: dict[str, Any] = {
        "model": str(model),
        "surrogate": str(surrogate),
        "templates": Path("templates.npy"),
        "queries": 30,
        "faces": 30,
        "steps": 1,
        "device": "cpu",
        "calibrate": False,
    }
    return AuditOptions(**(chosen | more)).with_budget()


@pytest.mark.parametrize("access", ["embeddings", "scores"])
def test_the_attack_asks_and_the_audit_has_the_network(target: Path, tiny_model: Path, access: str) -> None:
    attack = load_black_box_attack(black_box(target, tiny_model, access=access, samples=1))
    assert attack.recogniser.name == "target"
    templates = np.random.default_rng(0).normal(size=(2, 24))
    steps: list[int] = []
    found = attack.invert(["ann", "bob"], templates, 0, lambda _: steps.append(1))
    assert found.images.shape == (2, 1, 112, 112, 3)
    # One step of each of five restarts.
    assert len(steps) == attack.plan.steps_per_batch == 5
    described = json.loads(json.dumps(attack.access()))
    assert described["kind"] == access
    assert described["queries"]["most_for_one_person"] <= 30
    # The similarity is the attacked network's own opinion of the image, as in an audit by the weights.
    with torch.no_grad():
        images = torch.from_numpy(found.images[:, 0]).movedim(-1, 1).float() / 255
        own = attack.recogniser(images).double().numpy()
    unit = templates / np.linalg.norm(templates, axis=1, keepdims=True)
    np.testing.assert_allclose(found.similarity[:, 0], (own * unit).sum(1), atol=1e-4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"defences": ("noise",)}, "defences: expected none with --access scores"),
        ({"black_box": "http://host/"}, "black_box: expected a network as --model"),
        ({"templates": None, "images": Path("people"), "target": "centres"}, "target: expected templates"),
    ],
)
def test_what_needs_the_weights_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        black_box(Path("model.onnx"), Path("own.onnx"), access="scores", **given)


def test_a_report_does_not_say_where_the_surrogate_is(target: Path, tiny_model: Path) -> None:
    shown = shown_options(black_box(target, tiny_model, access="scores"))
    assert shown["surrogate"] == tiny_model.name
    assert shown["access"] == "scores"


@pytest.mark.parametrize("access", ["scores", "embeddings"])
def test_an_audit_of_photographs_checks_judges_and_counts_each_run(
    access: str, target: Path, tiny_model: Path, other_model: Path, people: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("arcinvert.audit.work.face_detected", lambda crop: True, raising=False)
    given = black_box(
        target,
        tiny_model,
        access=access,
        templates=None,
        images=people,
        people=2,
        samples=1,
        judges=(str(other_model),),
        calibration_images=8,
        fmr=(0.25,),
        policy_fmr=0.25,
    )
    with pytest.raises(InputError, match="networks other than the surrogate, got tiny"):
        run_audit(replace(given, judges=(str(tiny_model),)), tmp_path / "out")
    counts = []
    for _ in range(2):
        result = run_audit(given, tmp_path / "out", keep_work=True)
        counts.append(result["threat_model"]["access"]["queries"]["most_for_one_person"])
        assert not any("cannot be checked" in note for note in result["people"]["notes"])
    assert counts[0] == counts[1] > 0
    with pytest.raises(InputError, match="shard: expected none with --access"):
        run_shard(given, tmp_path / "out", Shard(0, 2))


def test_judges_of_one_architecture_have_names_of_their_own(
    options: AuditOptions, tiny_model: Path, other_model: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "another.safetensors"
    network = load_recogniser(other_model)
    with torch.no_grad():
        next(network.backbone.parameters()).mul_(1.5)
    save_recogniser(copy, network, extra={"mean_face": torch.full((3, 112, 112), 0.5)})
    judges = open_inputs(replace(options, judges=(str(other_model), str(copy)))).judges
    assert len({judge.name for judge in judges}) == 2
    assert all(judge.name.startswith("other ") for judge in judges)
    same = tmp_path / "copy.safetensors"
    same.write_bytes(other_model.read_bytes())
    with pytest.raises(InputError, match="judges: expected each network once"):
        open_inputs(replace(options, judges=(str(other_model), str(same))))
