"""Damaged, missing and changed crops: a training goes on without them, or stops and keeps what it has."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from recognition.checkpoint import load_recogniser
from recognition.data.dataset import AlignedFaces
from recognition.errors import InputError
from recognition.images import read_image, write_png
from recognition.training.batches import TrainingData
from recognition.training.session import MODEL, SKIPPED, STATE
from recognition.training.trainer import Trainer
from tests.recognition.conftest import write_people
from tests.recognition.training.helpers import SHORT, log_of, run

ONE = replace(SHORT, batch_size=6, held_out=1)


@pytest.fixture
def data(tmp_path) -> Path:
    """Four people with four crops each; the seed holds one of them out."""
    return write_people(tmp_path / "data", ["Ann", "Bob", "Cat", "Dan"], 4)


def held_out(data: Path) -> str:
    (name,) = TrainingData(data, ONE).split.held_out
    return name


def trained_on(data: Path) -> list[str]:
    return list(TrainingData(data, ONE).class_names)


def truncated(path: Path) -> None:
    """Cut a crop in the middle of its pixels: its header is sound."""
    path.write_bytes(path.read_bytes()[:3000])


def later(path: Path) -> None:
    """Store a crop as a JPEG whose damage only decoding shows."""
    from PIL import Image

    Image.fromarray(read_image(path)).save(path, "JPEG", quality=95)
    path.write_bytes(path.read_bytes()[:2000])


def test_what_a_check_finds_is_left_out_and_listed(data, tmp_path):
    first, second, third = trained_on(data)
    truncated(data / first / f"{first}_0002.png")
    (data / second / f"{second}_0003.png").write_bytes(b"no image")
    write_png(data / third / f"{third}_0001.png", np.zeros((64, 64, 3), dtype=np.uint8))
    truncated(data / held_out(data) / f"{held_out(data)}_0001.png")
    named: list[str] = []
    path = run(data, tmp_path / "run", ONE, left_out=named.extend)
    expected = [
        f"{first}/{first}_0002.png",
        f"{second}/{second}_0003.png",
        f"{third}/{third}_0001.png",
        f"{held_out(data)}/{held_out(data)}_0001.png",
    ]
    assert named == sorted(expected)
    listed = json.loads((tmp_path / "run" / SKIPPED).read_text())
    assert listed == {"before_training": sorted(expected), "while_training": []}
    # It is the training of a folder without them.
    for name in expected:
        (data / name).unlink()
    without = run(data, tmp_path / "without", ONE)
    assert not (tmp_path / "without" / SKIPPED).exists()
    assert all(value.equal(load_file(path)[key]) for key, value in load_file(without).items())


def test_an_identity_without_a_readable_crop_is_no_class(data, tmp_path):
    first, *others = trained_on(data)
    for path in (data / first).iterdir():
        truncated(path)
    recogniser = load_recogniser(run(data, tmp_path / "run", replace(ONE, batch_size=4)))
    assert list(recogniser.class_names) == others


def test_nothing_readable_is_one_line(data, tmp_path):
    for path in data.glob("*/*.png"):
        truncated(path)
    with pytest.raises(InputError, match=r"_000\d\.png: damaged or truncated image"):
        run(data, tmp_path / "run", ONE)
    assert not (tmp_path / "run").exists()


def test_a_crop_that_only_decoding_shows_damaged_is_replaced_by_the_next(data):
    second = trained_on(data)[1]
    later(data / second / f"{second}_0002.png")
    faces = TrainingData(data, ONE)
    assert faces.skipped.names == []
    used = np.concatenate([indices.numpy() for _, _, indices in faces.batches(0)])
    assert faces.skipped.names == [f"{second}/{second}_0002.png"]
    # Crops 4 to 7 are the second person's, and the next after 5 stands in for it.
    assert sorted(used.tolist()) == [0, 1, 2, 3, 4, 6, 6, 7, 8, 9, 10, 11]
    for images, labels, indices in faces.batches(0):
        for image, label, index in zip(images, labels.tolist(), indices.tolist(), strict=True):
            expected, expected_label = faces.dataset[index]
            assert image.equal(expected)
            assert label == expected_label


@pytest.mark.parametrize("workers", [0, 1])
def test_training_ends_where_it_is_to_stop(workers, data, tmp_path):
    name = trained_on(data)[0]
    later(data / name / f"{name}_0002.png")
    trainer = Trainer(data, ONE, device="cpu", on_unreadable="stop", workers=workers)
    with pytest.raises(
        InputError, match=rf"{name}_0002\.png: damaged or truncated image \([^\n]*skip goes on"
    ):
        list(trainer.batches(0))
    truncated(data / name / f"{name}_0001.png")
    with pytest.raises(
        InputError, match=rf"1 of 16 faces cannot be read, such as .*{name}_0001.*--on-unreadable skip"
    ):
        run(data, tmp_path / "run", ONE, on_unreadable="stop")


def test_a_disk_that_is_gone_ends_the_training(data):
    faces = TrainingData(data, ONE)
    shutil.rmtree(data)
    with pytest.raises(InputError, match="expected a photograph, found no such file"):
        list(faces.batches(0))


def test_a_damaged_held_out_crop_loses_no_epoch(data, tmp_path, monkeypatch):
    """The state is saved before the network is measured, so that the epoch is not trained again."""
    name = held_out(data)
    out = tmp_path / "run"
    later(data / name / f"{name}_0001.png")
    with pytest.raises(InputError, match=rf"{name}_0001\.png: damaged"):
        run(data, out, ONE, on_unreadable="stop")
    assert (out / STATE).exists()
    assert not (out / MODEL).exists()

    def never(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(Trainer, "step", never)
    named: list[str] = []
    run(data, out, ONE, left_out=named.extend)
    assert named == [f"{name}/{name}_0001.png"]
    assert len(log_of(out)) == 1


def test_an_epoch_is_saved_where_no_held_out_crop_can_be_read_any_more(tmp_path, caplog):
    names = [f"Person {letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUV"]
    data = write_people(tmp_path / "data", names, 2)
    out, options = tmp_path / "run", replace(ONE, epochs=2, held_out=20, batch_size=4)
    run(data, out, options, stop_after=1)
    before = (out / MODEL).read_bytes()
    held = TrainingData(data, options).split.held_out
    crops = sorted(path for name in held for path in (data / name).iterdir())
    for path in crops:
        truncated(path)
    named: list[str] = []
    run(data, out, options, left_out=named.extend)
    assert (out / MODEL).read_bytes() != before
    assert ["accuracy" in entry for entry in log_of(out)] == [True, False]
    assert named == [str(path.relative_to(data)) for path in crops]
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("no held-out face can be read, so that the epoch is not verified: ")
    assert "\n" not in said


def test_a_resumed_training_keeps_the_list_of_the_first_run(data, tmp_path, monkeypatch):
    """Files that were replaced in between stay left out: else its data would be another training's."""
    name = trained_on(data)[0]
    damaged = data / name / f"{name}_0003.png"
    sound = damaged.read_bytes()
    truncated(damaged)
    out, options = tmp_path / "run", replace(ONE, epochs=2)
    run(data, out, options, stop_after=1)
    damaged.write_bytes(sound)
    read: list[str] = []
    get = AlignedFaces.__getitem__

    def watch(self, index):
        read.append(self.samples[index][0].name)
        return get(self, index)

    monkeypatch.setattr(AlignedFaces, "__getitem__", watch)
    named: list[str] = []
    run(data, out, options, left_out=named.extend)
    assert named == [f"{name}/{name}_0003.png"]
    assert damaged.name not in read
    # A list that another program changed is refused.
    (out / SKIPPED).write_text('{"before_training": "x"}')
    with pytest.raises(InputError, match=r"unreadable\.json: expected a list of skipped faces"):
        run(data, out, options)


def test_the_list_of_a_start_that_failed_is_not_that_of_the_next(data, tmp_path):
    """Its crop may have been repaired since, and a resumed training would miss it."""
    name = trained_on(data)[0]
    out, options = tmp_path / "run", replace(ONE, epochs=2)
    out.mkdir()
    (out / SKIPPED).write_text(
        json.dumps({"before_training": [f"{name}/{name}_0003.png"], "while_training": []})
    )
    run(data, out, options, stop_after=1)
    assert not (out / SKIPPED).exists()
    run(data, out, options)
    assert len(log_of(out)) == 2
