import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from recognition.backbones import build_backbone
from recognition.checkpoint import load_notes, load_recogniser, save_recogniser, sha256
from recognition.errors import InputError
from recognition.heads import build_head
from recognition.recogniser import Preprocessing, Recogniser
from recognition.source import Source
from recognition.training.dry_run import dry_run
from recognition.training.options import TrainingOptions
from recognition.training.train import train
from recognition.training.trainer import Trainer
from recognition.training.warm_start import load_initial_weights

NAMES = tuple(f"Person_{index:02}" for index in range(12))
#: Two steps per epoch.
OPTIONS = TrainingOptions(
    width=1 / 4,
    embedding_size=8,
    epochs=2,
    batch_size=12,
    learning_rate=0.02,
    margin=0.2,
    held_out=2,
    start_size=32,
    image_size=32,
    seed=3,
)


def saved(path: Path, *, width: float = 1 / 8, preprocessing: Preprocessing | None = None, **changes) -> Path:
    """Save a network with random weights and the centres of twelve classes, and return its path."""
    torch.manual_seed(5)
    options = {"network": "iresnet18", "width": width, "embedding_size": 8, **changes}
    recogniser = Recogniser(
        build_backbone(**{"name" if key == "network" else key: value for key, value in options.items()}),
        name="earlier",
        centres=torch.randn(12, 8),
        class_names=NAMES,
        preprocessing=preprocessing,
        source=Source(architecture=options),
    )
    save_recogniser(path, recogniser, dtype=torch.float32)
    return path


@pytest.fixture(scope="module")
def earlier(people, tmp_path_factory) -> Path:
    """A network of an eighth of the full width, trained for one epoch on the split of `OPTIONS`."""
    out = tmp_path_factory.mktemp("earlier") / "run"
    return run(people, out, replace(OPTIONS, width=1 / 8, epochs=1))


def run(data: Path, out: Path, options: TrainingOptions = OPTIONS, **rest) -> Path:
    return train(data, out, options, device="cpu", precision="float32", **rest)


def put(model: Path, *, head: str = "arcface", names=NAMES, held_out=(), width: float = 1 / 4, **changes):
    """Call `load_initial_weights`, and return its notes, the backbone and the head."""
    backbone = build_backbone(changes.pop("network", "iresnet18"), width=width, embedding_size=8, **changes)
    made = build_head(head, 8, len(names), scale=16.0, margin=0.2)
    noted = load_initial_weights(model, backbone, made, class_names=names, held_out=held_out, seed=0)
    return noted, backbone.eval(), made


@pytest.mark.parametrize("network", ["iresnet18", "mobilefacenet"])
def test_the_same_layout_is_copied_exactly(network, tmp_path):
    path = saved(tmp_path / "old.safetensors", network=network, width=1 / 8)
    noted, backbone, head = put(path, network=network, width=1 / 8)
    recogniser = load_recogniser(path)
    old = recogniser.backbone.state_dict()
    assert old.keys() == backbone.state_dict().keys()
    assert all(torch.equal(value, old[key]) for key, value in backbone.state_dict().items())
    assert torch.equal(head.weight, recogniser.centres)
    assert noted == {"name": "old", "sha256": sha256(path), "centres": True}


def test_centres_follow_the_order_of_the_training(tmp_path):
    path = saved(tmp_path / "old.safetensors", width=1 / 8)
    backwards = NAMES[::-1]
    noted, _, head = put(path, width=1 / 8, names=backwards)
    assert noted["centres"]
    torch.testing.assert_close(head.weight.detach(), load_recogniser(path).centres.flip(0))


def test_a_narrower_network_is_widened(tmp_path):
    path = saved(tmp_path / "old.safetensors")
    _, backbone, _ = put(path)
    images = torch.rand(2, 3, 112, 112)
    with torch.no_grad():
        torch.testing.assert_close(
            backbone(images), load_recogniser(path).backbone(images), atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize(
    ("head", "names", "copied"),
    [
        ("cosface", NAMES, True),
        ("adaface", NAMES, True),
        ("subcentre", NAMES, False),
        ("softmax", NAMES, False),
        ("arcface", NAMES[:11], False),
        ("arcface", (*NAMES[:11], "Other"), False),
    ],
)
def test_a_cosine_head_gets_the_centres_of_the_same_classes(head, names, copied, tmp_path):
    noted, _, made = put(saved(tmp_path / "old.safetensors"), head=head, names=names)
    centres = load_recogniser(tmp_path / "old.safetensors").centres
    assert noted["centres"] is copied
    assert (made.weight.shape == centres.shape and torch.equal(made.weight, centres)) is copied


@pytest.mark.parametrize(
    ("made", "wanted", "message"),
    [
        ({"width": 1 / 2}, {}, "old: widening: expected at least as many channels, got fewer"),
        ({"network": "iresnet34"}, {}, "old: widening: expected networks of the same depth"),
        ({}, {"network": "mobilefacenet"}, "old: expected a network of the same layout to start from"),
        ({"network": "mobilefacenet"}, {"network": "mobilefacenet"}, "old: expected a network of the same"),
        ({"preprocessing": Preprocessing(channels="BGR")}, {}, "old: expected a network for RGB images"),
        ({"preprocessing": Preprocessing(std=0.25)}, {}, "old: expected a network for RGB images"),
        (
            {},
            {"held_out": ("Zoe", "Person_04", "Person_03")},
            "got one trained on 2 of them, such as Person_03",
        ),
    ],
    ids=str,
)
def test_a_network_that_does_not_fit_is_refused(made, wanted, message, tmp_path):
    path = saved(tmp_path / "old.safetensors", **made)
    with pytest.raises(InputError, match=message):
        put(path, **wanted)


def test_something_other_than_a_file_of_weights_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected a model file or a bundled network's name"):
        put(tmp_path / "none.safetensors")
    with pytest.raises(
        InputError, match="expected a network with a file of weights to start from, got code alone"
    ):
        put("recognition.backbones.mobilefacenet:MobileFaceNet")


def test_a_state_dict_of_another_project_is_accepted(tmp_path):
    """A file with the names and the preprocessing of arcface_torch has no class names."""
    backbone = build_backbone("iresnet18", width=1 / 8, embedding_size=8).eval()
    torch.save(backbone.state_dict(), tmp_path / "backbone.pt")
    noted, started, _ = put(tmp_path / "backbone.pt", width=1 / 8)
    assert noted == {"name": "backbone", "sha256": sha256(tmp_path / "backbone.pt"), "centres": False}
    assert torch.equal(started.fc.weight, backbone.fc.weight)


def test_a_network_notes_what_it_was_started_from(earlier, people, tmp_path):
    path = run(people, tmp_path / "run", replace(OPTIONS, epochs=1), start_from=earlier)
    notes = load_notes(path)
    assert notes["started_from"] == {"name": "model", "sha256": sha256(earlier), "centres": True}
    assert str(earlier.parent) not in json.dumps(notes)
    assert notes["training"] == json.loads(json.dumps(asdict(replace(OPTIONS, epochs=1))))
    assert "started_from" not in load_notes(earlier)


def test_a_training_starts_from_the_other_networks_weights(earlier, people, tmp_path):
    """At a negligible learning rate, the saved network is the earlier one, widened."""
    options = replace(OPTIONS, epochs=1, learning_rate=1e-12)
    path = run(people, tmp_path / "run", options, start_from=earlier)
    old, new = load_recogniser(earlier), load_recogniser(path)
    torch.testing.assert_close(new.centres, old.centres, atol=1e-3, rtol=0)
    images = torch.rand(4, 3, 32, 32)
    # With batch statistics, because training changes the running ones at any learning rate.
    with torch.no_grad():
        embeddings = [recogniser.train()(images) for recogniser in (old, new)]
    assert (embeddings[0] * embeddings[1]).sum(1).min() > 0.99


def test_a_resumed_training_with_a_warm_start_is_bit_identical(earlier, people, tmp_path):
    whole = run(people, tmp_path / "whole", start_from=earlier)
    for last in (1, 2):
        halves = run(people, tmp_path / "halves", start_from=earlier, stop_after=last)
    first, second = load_file(whole), load_file(halves)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert load_notes(whole)["started_from"] == load_notes(halves)["started_from"]


def test_resuming_with_another_warm_start_is_refused(earlier, people, tmp_path):
    out = tmp_path / "run"
    run(people, out, start_from=earlier, stop_after=1)
    # The same name and weights, another file.
    other = tmp_path / "model.safetensors"
    save_recogniser(other, load_recogniser(earlier), dtype=torch.float32)
    for start in (None, other):
        with pytest.raises(InputError, match="expected the state of a training with these options"):
            run(people, out, start_from=start)


@pytest.mark.parametrize("head", ["arcface", "subcentre"])
def test_the_margin_has_no_warm_up_if_the_centres_are_copied(head, earlier, people, tmp_path, monkeypatch):
    fractions = []
    loss = Trainer.loss

    def watch(self, images, labels, indices, margin_fraction):
        fractions.append(margin_fraction)
        return loss(self, images, labels, indices, margin_fraction)

    monkeypatch.setattr(Trainer, "loss", watch)
    run(people, tmp_path / "run", replace(OPTIONS, head=head), start_from=earlier)
    assert fractions[0] == (1 if head == "arcface" else 0)
    assert fractions[-1] == 1


def test_a_network_that_was_trained_on_held_out_people_is_refused(earlier, people, tmp_path):
    with pytest.raises(
        InputError, match="expected a network that was not trained on the held-out identities"
    ):
        run(people, tmp_path / "run", replace(OPTIONS, seed=4), start_from=earlier)
    assert not (tmp_path / "run").exists()


def test_a_dry_run_takes_a_warm_start_too(earlier, people, tmp_path):
    with pytest.raises(InputError, match="expected at least as many channels"):
        dry_run(people, replace(OPTIONS, width=1 / 16), device="cpu", start_from=earlier)
