"""A training as files: what is written, and that it goes on as if it had not stopped."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from arcinvert.knowledge.decoder_file import find_decoder
from arcinvert.knowledge.public_photographs import PhotographCollector
from arcinvert.learning import learn as module
from arcinvert.learning.faces import TrainingFaces
from arcinvert.learning.learn import Learned, dry_run, learn
from arcinvert.learning.options import LearningOptions
from recognition.errors import InputError
from recognition.images import read_image
from tests.arcinvert.learning.trainings import CHANNELS, SIZE, faces, network, options


def source(size: int) -> TrainingFaces:
    assert size == SIZE
    return faces(kind="faces of nobody")


def learned(out: Path, *, stop_after: int | None = None, **changes: object) -> Learned:
    return learn(network(), source, options(**changes), out=out, stop_after=stop_after, channels=CHANNELS)


def test_what_is_written(tmp_path: Path) -> None:
    result = learned(tmp_path / "d.safetensors")
    assert result.path == tmp_path / "d.safetensors"
    assert result.folder == tmp_path / "d.training"
    assert [entry["epoch"] for entry in result.log] == [1, 2]
    decoder = find_decoder(network(), result.path)
    assert decoder is not None
    assert decoder.faces == "36 faces of nobody"
    assert decoder.photographs is None
    listed = PhotographCollector()
    listed.add("ab" * 32, np.zeros((112, 112, 3), np.uint8))
    photographs = listed.result()
    learn(
        network(),
        lambda size: replace(source(size), photographs=photographs),
        options(),
        out=tmp_path / "p.safetensors",
        channels=CHANNELS,
    )
    written = find_decoder(network(), tmp_path / "p.safetensors")
    assert written is not None
    assert written.photographs is not None
    assert torch.equal(written.photographs.hashes, photographs.hashes)
    assert read_image(result.folder / "faces.png").shape == (3 * 28, 4 * 28, 3)
    names = sorted(path.name for path in result.folder.iterdir())
    assert names == ["faces.png", "state.pt", "templates.safetensors", "tensorboard"]
    assert next((result.folder / "tensorboard").iterdir()).stat().st_size > 1000


def test_a_resumed_training_is_the_uninterrupted_one(tmp_path: Path) -> None:
    whole = learned(tmp_path / "whole.safetensors", epochs=3)
    for stop in (1, 2, None):
        parts = learned(tmp_path / "parts.safetensors", epochs=3, stop_after=stop)
    assert len(parts.log) == 3
    expected, found = load_file(whole.path), load_file(parts.path)
    assert all(torch.equal(value, found[name]) for name, value in expected.items())
    timed = ("images_per_second", "seconds")
    assert [{k: v for k, v in entry.items() if k not in timed} for entry in whole.log] == [
        {k: v for k, v in entry.items() if k not in timed} for entry in parts.log
    ]
    # A finished one is left as it is.
    before = whole.path.read_bytes()
    assert learned(whole.path, epochs=3).log == whole.log
    assert whole.path.read_bytes() == before


def test_another_trainings_state_is_refused(tmp_path: Path) -> None:
    learned(tmp_path / "d.safetensors", stop_after=1)
    with pytest.raises(InputError, match=r"state\.pt: expected the state of a training with these options"):
        learned(tmp_path / "d.safetensors", seed=1)
    (tmp_path / "d.training" / "state.pt").write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged training state"):
        learned(tmp_path / "d.safetensors")


def test_templates_are_embedded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = learned(tmp_path / "d.safetensors", stop_after=1)
    monkeypatch.setattr(module, "templates_of", None)
    assert len(learned(first.path).log) == 2


def test_minutes_become_epochs_by_the_measured_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_images_per_second", lambda trainer: 16.0)
    # 32 images an epoch take two seconds.
    given = LearningOptions(minutes=7 / 60, batch_size=8)
    result = learn(network(), source, given, out=tmp_path / "d.safetensors", stop_after=1, channels=CHANNELS)
    assert len(result.log) == 1
    # A resumed training keeps its number, whatever the speed is then.
    monkeypatch.setattr(module, "_images_per_second", lambda trainer: 1.0)
    assert len(learn(network(), source, given, out=result.path, channels=CHANNELS).log) == 3


def test_measuring_the_speed_changes_nothing(tmp_path: Path) -> None:
    timed = learned(tmp_path / "a.safetensors", epochs=None, minutes=1e-9)
    counted = learned(tmp_path / "b.safetensors", epochs=1)
    expected, found = load_file(counted.path), load_file(timed.path)
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_a_dry_run_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cost = dry_run(network(), source, options(), channels=CHANNELS)
    assert cost.images_per_second > 0
    assert cost.memory > 0
    assert cost.epochs == 2
    assert cost.seconds == pytest.approx(2 * 32 / cost.images_per_second)
    assert not list(tmp_path.iterdir())
    longer = dry_run(network(), source, LearningOptions(), channels=CHANNELS)
    assert longer.epochs == module.DEFAULT_EPOCHS


def test_nowhere_to_write_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^conv: expected --out, for a network that is not one file$"):
        learn(network(), source, options())
    with pytest.raises(InputError, match=r"^out: expected a file that ends with \.safetensors, got "):
        learned(tmp_path / "d.pt")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"cannot be created .*; choose another --out$"):
        learned(tmp_path / "file" / "d.safetensors")
