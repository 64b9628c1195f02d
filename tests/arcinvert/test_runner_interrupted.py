"""Runs that do not end as planned: stopped, interrupted, on a full disk, or short of memory."""

import errno
import os
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from arcinvert import Attacker, InputError, Step, StopInversion, attack, batches, records
from recognition.images import write_png
from recognition.recogniser import Recogniser
from tests.arcinvert.support import file_names, interrupt_in, leave_out_judge, read_result


@pytest.fixture
def _unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_judge(monkeypatch)


@pytest.fixture(scope="module")
def attacker(tiny_model: Path) -> Attacker:
    return Attacker(tiny_model, device="cpu")


@pytest.mark.usefixtures("_unjudged")
def test_a_stopped_run_keeps_the_running_batch_too(attacker: Attacker) -> None:
    def stop(step: Step) -> None:
        if (step.batch, step.number) == (2, 3):
            raise StopInversion

    run = attacker.generate([4, 0, 1], batch_size=1, steps=9, progress=stop)
    assert run.interrupted
    assert run.result["interrupted"] is True
    assert [sample["class_id"] for sample in run.samples] == [4, 0]
    assert [sample["steps"] for sample in run.samples] == [9, 3]
    whole = attacker.generate(4, batch_size=1, steps=9)
    assert np.array_equal(run.images[0], whole.images[0])


@pytest.mark.usefixtures("_unjudged")
def test_an_interrupted_run_keeps_what_is_finished(attacker: Attacker, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"steps": 2, "batch_size": 1}
    run = attacker.generate([4, 0, 1], **settings, out=tmp_path / "out", progress=interrupt_in(2))
    assert run.interrupted
    kept = ["class4_sample0.png", "progress.jsonl", "result.json", "sheet.png"]
    assert file_names(tmp_path / "out") == kept
    result = read_result(tmp_path / "out")
    assert result["interrupted"] is True
    assert [sample["class_id"] for sample in result["samples"]] == [4]
    assert result["summary"]["samples"] == 1
    whole = attacker.generate([4, 0, 1], **settings)
    assert not whole.interrupted
    assert np.array_equal(run.images[0], whole.images[0])


@pytest.mark.parametrize("out", ["out", "deep/down/out"])
def test_an_interruption_at_once_leaves_nothing(attacker: Attacker, tmp_path: Path, out: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        attacker.generate(0, steps=2, out=tmp_path / out, progress=interrupt_in(1))
    assert file_names(tmp_path) == []


@pytest.mark.parametrize("victim", ["png", "json"])
def test_a_full_disk_leaves_nothing(
    attacker: Attacker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if victim == "png":
        monkeypatch.setattr(Image.Image, "save", full)
    else:
        monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(InputError, match="No space left on device"):
        attacker.generate(0, steps=1, out=tmp_path / "out")
    # Images that are finished wait for a run that resumes.
    assert file_names(tmp_path) == ([] if victim == "png" else [".out.arcinvert.part"])


def test_a_folder_is_refused_before_the_work(attacker: Attacker, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(InputError, match="other files in it"):
        attacker.generate(0, out=tmp_path, progress=interrupt_in(1))
    assert file_names(tmp_path) == ["thesis.txt"]


@pytest.mark.usefixtures("_unjudged")
def test_a_run_replaces_the_one_before(attacker: Attacker, tmp_path: Path) -> None:
    attacker.generate(0, steps=1, out=tmp_path / "out")
    attacker.generate(1, steps=1, out=tmp_path / "out")
    assert file_names(tmp_path / "out") == ["class1_sample0.png", "result.json", "sheet.png"]


class LiveImages:
    """Counts the images of batches that something still holds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.alive: set[int] = set()
        self.most = 0
        convert = batches.to_uint8

        def watched(images: torch.Tensor) -> NDArray[np.uint8]:
            made = convert(images)
            if images.ndim == 4:
                self.alive.add(id(made))
                self.most = max(self.most, len(self.alive))
                weakref.finalize(made, self.alive.discard, id(made))
            return made

        monkeypatch.setattr(batches, "to_uint8", watched)


@pytest.mark.usefixtures("_unjudged")
def test_written_images_are_not_kept(
    attacker: Attacker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "SHEET_IDENTITIES", 1)
    people = np.random.default_rng(0).normal(size=(7, 32))
    settings: dict[str, Any] = {"steps": 1, "batch_size": 1}
    live = LiveImages(monkeypatch)
    run = attacker.from_embedding(people, out=tmp_path / "out", **settings)
    # The one on the sheet, the one that was just written, and the one that is being written.
    assert live.most <= 3
    assert len(run.images) == len(run.samples) == 7
    again = attacker.from_embedding(people, **settings)
    assert len(live.alive) >= 7
    assert all(np.array_equal(*pair) for pair in zip(run.images, again.images, strict=True))
    # One row of tiles, whoever is in it.
    assert run.sheet.shape == attacker.from_embedding(people, **settings, seed=1).sheet.shape
    # Two rows of pictures of 256 pixels, each with its words below, would not fit.
    assert run.sheet.shape[0] < 650


@pytest.mark.usefixtures("_unjudged")
def test_images_are_written_as_their_batch_ends(attacker: Attacker, tmp_path: Path) -> None:
    seen: list[int] = []

    def watch(step: Step) -> None:
        seen.append(len(list(tmp_path.glob(".out.arcinvert.part/*.png"))))

    attacker.generate([0, 1, 2], steps=1, batch_size=1, out=tmp_path / "out", progress=watch)
    assert seen == [0, 1, 2]


@pytest.mark.usefixtures("_unjudged")
def test_an_interruption_while_writing_drops_that_batch_alone(
    attacker: Attacker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    def interrupted(path: Path, image: NDArray[np.uint8]) -> None:
        written.append(path.name)
        if len(written) == 4:
            raise KeyboardInterrupt
        write_png(path, image)

    monkeypatch.setattr(records, "write_png", interrupted)
    run = attacker.generate([0, 1, 2, 3], steps=1, batch_size=2, out=tmp_path / "out")
    assert run.interrupted
    kept = ["class0_sample0.png", "class1_sample0.png", "progress.jsonl", "result.json", "sheet.png"]
    assert file_names(tmp_path / "out") == kept
    assert [sample["class_id"] for sample in read_result(tmp_path / "out")["samples"]] == [0, 1]


@pytest.mark.usefixtures("_unjudged")
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    ],
)
def test_batches_are_cut_to_memory(
    attacker: Attacker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    room, tried = 3, []
    invert = attack.invert

    def cramped(recogniser: Recogniser, target: Any, *rest: Any, **options: Any) -> Any:
        tried.append(len(target.templates))
        if len(target.templates) > room:
            raise error
        return invert(recogniser, target, *rest, **options)

    monkeypatch.setattr(attack, "invert", cramped)
    seen: list[tuple[int, int]] = []
    run = attacker.generate(
        [0, 1, 2, 3, 4],
        steps=1,
        batch_size=16,
        out=tmp_path / "out",
        progress=lambda step: seen.append((step.batch, step.batches)),
    )
    assert tried == [5, 2, 2, 1]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert [sample["class_id"] for sample in run.samples] == [0, 1, 2, 3, 4]
    result = read_result(tmp_path / "out")
    assert result["plan"]["batch_size"] == 2
    assert result["options"]["batch_size"] == 16
    note = "Memory was short: batches of 2 images in place of 16."
    assert result["notes"] == [note]
    assert [record.getMessage() for record in caplog.records] == [note]
    room = 0
    with pytest.raises(InputError, match=r"memory: expected room on cpu for one image of tiny"):
        attacker.generate(0, steps=1, out=tmp_path / "none")
    assert file_names(tmp_path) == ["out"]


@pytest.mark.usefixtures("_unjudged")
def test_other_errors_are_not_taken_for_a_lack_of_memory(
    attacker: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(attack, "invert", broken)
    with pytest.raises(RuntimeError, match="mat1"):
        attacker.generate([0, 1], steps=1)
