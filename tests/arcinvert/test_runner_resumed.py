"""Runs that go on where an earlier one was killed or interrupted, and two runs in one folder."""

import copy
import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from arcinvert import Attacker, InputError, Step, records
from arcinvert.evaluation.calibration import shipped_calibration
from recognition.images import read_image, write_png
from recognition.lock import locked
from tests.arcinvert.support import file_names, interrupt_in, leave_out_judge, read_result

CLASSES = [4, 0, 1, 2]


@pytest.fixture(autouse=True)
def _unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_judge(monkeypatch)


@pytest.fixture(scope="module")
def attacker(tiny_model: Path) -> Attacker:
    return Attacker(tiny_model, device="cpu")


def generate(attacker: Attacker, out: Path, **more: Any) -> list[int]:
    """Attack four classes in batches of one; return the numbers of the batches that were run."""
    seen: list[int] = []
    inner = more.pop("progress", lambda step: None)

    def progress(step: Step) -> None:
        seen.append(step.batch)
        inner(step)

    options: dict[str, Any] = {"steps": 1, "batch_size": 1, "shift": 2} | more
    attacker.generate(CLASSES, out=out, progress=progress, **options)
    return seen


def assert_equal(out: Path, whole: Path) -> None:
    """Assert that two folders have the same images and the same records but for the time."""
    assert file_names(out) == file_names(whole)
    for name in file_names(whole):
        if name.startswith("class"):
            assert np.array_equal(read_image(out / name), read_image(whole / name)), name
    found, wanted = (
        [sample | {"seconds": 0} for sample in read_result(folder)["samples"]] for folder in (out, whole)
    )
    assert found == wanted
    assert read_result(out)["summary"] == read_result(whole)["summary"]
    assert np.array_equal(read_image(out / "sheet.png"), read_image(whole / "sheet.png"))


def test_an_interrupted_run_goes_on(attacker: Attacker, tmp_path: Path) -> None:
    generate(attacker, tmp_path / "whole")
    generate(attacker, tmp_path / "out", progress=interrupt_in(3))
    assert read_result(tmp_path / "out")["interrupted"] is True
    assert generate(attacker, tmp_path / "out", resume=True) == [3, 4]
    assert_equal(tmp_path / "out", tmp_path / "whole")
    assert file_names(tmp_path) == ["out", "whole"]


def test_a_full_disk_loses_nothing(
    attacker: Attacker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(attacker, tmp_path / "whole")

    def full(path: Path, image: Any) -> None:
        if "class1" in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_png(path, image)

    with monkeypatch.context() as patch:
        patch.setattr(records, "write_png", full)
        with pytest.raises(InputError, match=r"No space left.*--resume goes on"):
            generate(attacker, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert generate(attacker, tmp_path / "out", resume=True) == [3, 4]
    assert_equal(tmp_path / "out", tmp_path / "whole")
    assert file_names(tmp_path) == ["out", "whole"]


def test_a_killed_run_goes_on_behind_its_last_whole_line(attacker: Attacker, tmp_path: Path) -> None:
    generate(attacker, tmp_path / "whole")
    generate(attacker, tmp_path / "out", progress=interrupt_in(4))
    # As after a kill: no folder yet, a line that is torn, and an image that is gone.
    work = tmp_path / ".out.arcinvert.part"
    (tmp_path / "out").replace(work)
    with (work / "progress.jsonl").open("a") as journal:
        journal.write('{"number": 3, "first"')
    (work / "class1_sample0.png").unlink()
    (work / ".class2_sample0.png.999999999-01234567.part").write_bytes(b"half")
    assert generate(attacker, tmp_path / "out", resume=True) == [3, 4]
    assert_equal(tmp_path / "out", tmp_path / "whole")
    assert file_names(tmp_path) == ["out", "whole"]


def anew(out: Path) -> str:
    """The note of a result that was to go on and was started anew."""
    return next((note for note in read_result(out)["notes"] if note.startswith("Started anew")), "")


def test_another_plan_starts_anew(attacker: Attacker, tmp_path: Path) -> None:
    generate(attacker, tmp_path / "whole", seed=1)
    generate(attacker, tmp_path / "out", progress=interrupt_in(3))
    assert generate(attacker, tmp_path / "out", resume=True, seed=1) == [1, 2, 3, 4]
    assert_equal(tmp_path / "out", tmp_path / "whole")
    assert anew(tmp_path / "out").endswith("stopped: plan (seed).")
    assert file_names(tmp_path) == ["out", "whole"]
    # Stopped again, what the earlier run of another plan had finished stays as it was.
    generate(attacker, tmp_path / "out", progress=interrupt_in(3))
    with pytest.raises(KeyboardInterrupt):
        generate(attacker, tmp_path / "out", resume=True, seed=1, progress=interrupt_in(1))
    assert len(read_result(tmp_path / "out")["samples"]) == 2


def test_every_changed_input_starts_anew(
    attacker: Attacker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    templates = np.random.default_rng(0).normal(size=(3, 32))
    options: dict[str, Any] = {"steps": 1, "batch_size": 1, "out": tmp_path / "out"}

    def notice(changed: Attacker, rows: Any = templates) -> str:
        """Stop a run after two batches, and return the note of another one that goes on."""
        attacker.from_embedding(templates, progress=interrupt_in(3), **options)
        changed.from_embedding(rows, resume=True, **options)
        return anew(tmp_path / "out")

    assert notice(attacker) == ""
    assert notice(attacker, templates + np.eye(3, 32)).endswith("photographs, templates or classes.")
    network = copy.deepcopy(attacker.recogniser)
    # The file's hash stays, as of a network from a torch module.
    with torch.no_grad():
        next(network.parameters()).mul_(1.001)
    assert "attacked network" in notice(Attacker(network, device="cpu", knowledge=attacker.knowledge))
    known = replace(attacker.knowledge, mean_face=attacker.knowledge.mean_face * 0.99)
    other = Attacker(attacker.recogniser, device="cpu", knowledge=known)
    assert notice(other).endswith("public-face statistics.")
    with monkeypatch.context() as patch:
        other_warp = shipped_calibration() | {"matrix": [[1.5, 0, 0], [0, 1.5, 0]]}
        patch.setattr("arcinvert.runner.shipped_calibration", lambda: other_warp)
        attacker.from_embedding(templates, progress=interrupt_in(3), **options)
    attacker.from_embedding(templates, resume=True, **options)
    assert anew(tmp_path / "out").endswith("stopped: judge's calibration.")
    with monkeypatch.context() as patch:
        patch.setattr("arcinvert.attacked.version", lambda name: "9.9")
        attacker.from_embedding(templates, progress=interrupt_in(3), **options)
    attacker.from_embedding(templates, resume=True, **options)
    assert "environment (libraries (arcinvert, torch" in anew(tmp_path / "out")


def test_a_changed_photograph_starts_anew(attacker: Attacker, tmp_path: Path, photograph: Path) -> None:
    pictures = [tmp_path / "a" / "one.png", tmp_path / "a" / "two.png"]
    pictures[0].parent.mkdir()
    whole = read_image(photograph)
    for number, path in enumerate(pictures):
        write_png(path, whole - np.uint8(number) * (whole > 0))
    options: dict[str, Any] = {"steps": 1, "batch_size": 1, "out": tmp_path / "out"}
    attacker.from_image(pictures, progress=interrupt_in(2), **options)
    # One level of one corner pixel, far from the face: neither template nor reference changes.
    whole[0, 0, 0] ^= 1
    write_png(pictures[0], whole)
    seen: list[int] = []
    attacker.from_image(pictures, resume=True, progress=lambda step: seen.append(step.batch), **options)
    assert seen == [1, 2]
    assert anew(tmp_path / "out").endswith("photographs, templates or classes.")


def test_leftovers_of_a_killed_run_are_removed(attacker: Attacker, tmp_path: Path) -> None:
    (tmp_path / ".out.arcinvert.part").mkdir()
    (tmp_path / ".out.arcinvert.part" / "class0_sample0.png").write_bytes(b"half")
    (tmp_path / ".out.arcinvert.lock").write_text("999999999\n")
    generate(attacker, tmp_path / "out")
    assert file_names(tmp_path) == ["out"]


def test_a_result_that_was_moved_away_comes_back(attacker: Attacker, tmp_path: Path) -> None:
    generate(attacker, tmp_path / "out")
    (tmp_path / "out").replace(tmp_path / ".out.arcinvert.old")
    with pytest.raises(KeyboardInterrupt):
        generate(attacker, tmp_path / "out", progress=interrupt_in(1))
    assert len(read_result(tmp_path / "out")["samples"]) == 4
    assert file_names(tmp_path) == ["out"]


def test_a_second_live_run_is_refused(attacker: Attacker, tmp_path: Path) -> None:
    refused: list[str] = []

    def second(step: Step) -> None:
        if step.batch == 2:
            with pytest.raises(InputError) as error:
                attacker.generate(0, steps=1, out=tmp_path / "out")
            refused.append(str(error.value))

    generate(attacker, tmp_path / "out", progress=second)
    assert f"that process {os.getpid()} writes" in refused[0]
    assert len(read_result(tmp_path / "out")["samples"]) == 4
    assert file_names(tmp_path) == ["out"]


def test_another_process_is_refused_too(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom recognition.lock import locked\n"
        f"with locked(Path({str(tmp_path / 'out')!r})):\n"
        "    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match=f"that process {holder.pid} writes"), locked(tmp_path / "out"):
            pytest.fail("two runs in one folder")
        holder.kill()
    # The system frees the lock of a process that was killed.
    with locked(tmp_path / "out"):
        pass
    assert file_names(tmp_path) == []


def test_names_of_any_bytes_and_length(attacker: Attacker, tmp_path: Path, photograph: Path) -> None:
    data = photograph.read_bytes()
    folder = tmp_path / "photographs"
    folder.mkdir()
    names = [b"a" * 251 + b".png", b"f\xff.png", b"f\xfe.png", "\u4e2d".encode() * 80 + b".png"]
    paths = [str(folder / os.fsdecode(name)) for name in names]
    for path in paths:
        Path(path).write_bytes(data)
    attacker.from_image(paths, steps=1, out=tmp_path / "out")
    text = (tmp_path / "out" / "result.json").read_bytes().decode("utf-8")
    samples = json.loads(text)["samples"]
    assert [sample["input"] for sample in samples] == [
        "a" * 251 + ".png",
        "f\\xff.png",
        "f\\xfe.png",
        "\u4e2d" * 80 + ".png",
    ]
    files = {sample["image"] for sample in samples}
    assert len(files) == 4
    assert all((tmp_path / "out" / file).is_file() for file in files)


def test_one_bad_photograph_ends_nothing(attacker: Attacker, tmp_path: Path, photograph: Path) -> None:
    (tmp_path / "torn.png").write_bytes(photograph.read_bytes()[:1000])
    gone = tmp_path / "gone.png"
    run = attacker.from_image([tmp_path / "torn.png", photograph, gone], steps=1)
    assert len(run.samples) == 1
    left_out = run.result["inputs"]["left_out"]
    assert [Path(one["photograph"]).name for one in left_out] == ["torn.png", "gone.png"]
    assert "no such file" in left_out[1]["reason"]
    assert str(tmp_path.parent) not in json.dumps(run.result)
    assert "Photographs left out as unreadable or without a face: 2." in run.result["notes"]
    with pytest.raises(InputError, match="damaged"):
        attacker.from_image([tmp_path / "torn.png", gone], steps=1)


def test_the_longest_name_of_a_folder(attacker: Attacker, tmp_path: Path) -> None:
    out = tmp_path / ("中" * 85)
    generate(attacker, out, progress=interrupt_in(2))
    assert generate(attacker, out, resume=True) == [2, 3, 4]
    assert file_names(tmp_path) == [out.name]
