"""Whole sets: parts, runs that go on, tar files, and sets that are not mixed."""

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from arcinvert import Attacker, InputError
from arcinvert.synthesis import set_folder
from arcinvert.synthesis import synthesise as module
from arcinvert.synthesis.options import SynthesisOptions
from arcinvert.synthesis.pictures import Pictures
from arcinvert.synthesis.synthesise import Batches, Synthesis, synthesise
from arcinvert.workers.base import Workers
from arcinvert.workers.open import open_workers
from arcinvert.workers.options import Shard
from recognition.data.sources import open_source
from recognition.images import read_image
from tests.arcinvert.synthesis.networks import options, small_attacker


@pytest.fixture(scope="module")
def attacker() -> Attacker:
    return small_attacker()


@pytest.fixture(scope="module")
def whole(attacker: Attacker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set that one run made: 5 identities, 2 pictures of each, in three batches."""
    out = tmp_path_factory.mktemp("sets") / "whole"
    made = synthesise(attacker, options(), out)
    assert made.pictures == 10
    assert made.card["complete"]
    return out


def files_of(out: Path) -> dict[str, bytes]:
    """Return the content of a set's pictures, and nothing else, by name."""
    return {
        path.relative_to(out).as_posix(): path.read_bytes()
        for path in sorted((out / "faces").rglob("*"))
        if path.is_file()
    }


def journal(out: Path) -> list[dict[str, Any]]:
    """Return the finished batches of all parts, by number, without their seconds."""
    lines = [json.loads(line) for path in out.glob("shard-*.jsonl") for line in path.read_text().splitlines()]
    return [{**line, "seconds": 0} for line in sorted(lines, key=lambda line: line["batch"])]


def test_a_set_is_labelled_pictures_that_training_reads(whole: Path) -> None:
    identities = open_source(whole / "faces").identities
    assert list(identities) == [f"{number:06d}" for number in range(5)]
    assert [path.name for path in identities["000003"]] == ["000.png", "001.png"]
    images = [read_image(path) for paths in identities.values() for path in paths]
    assert {image.shape for image in images} == {(112, 112, 3)}
    assert len({image.tobytes() for image in images}) == 10
    names = {path.name for path in whole.iterdir()}
    assert names == {"faces", "set.json", "identities.safetensors", "card.json", "README.md"} | {
        "shard-0-of-1.jsonl",
        "overview.png",
    }


def test_parts_make_the_same_pictures_as_one_run(attacker: Attacker, whole: Path, tmp_path: Path) -> None:
    made = [synthesise(attacker, options(), tmp_path / "set", shard=Shard(part, 2)) for part in (1, 0)]
    assert [one.pictures for one in made] == [4, 6]
    assert [one.card["complete"] for one in made] == [False, True]
    assert "the set is not finished" not in (tmp_path / "set" / "README.md").read_text()
    assert files_of(tmp_path / "set") == files_of(whole)
    assert journal(tmp_path / "set") == journal(whole)
    one, other = (json.loads((out / "card.json").read_text()) for out in (tmp_path / "set", whole))
    assert {**one, "cost": 0} == {**other, "cost": 0}
    again = synthesise(attacker, options(), tmp_path / "set")
    assert again.pictures == 0, "other parts' batches are finished"


def test_a_run_that_was_killed_goes_on_and_ends_as_if_it_had_not(
    attacker: Attacker, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "set"
    made, real = [], Pictures.make

    def stopping(pictures: Pictures, *given: Any, batch: int, **more: Any) -> Any:
        if batch == 1 and not made:
            made.append(batch)
            raise KeyboardInterrupt
        return real(pictures, *given, batch=batch, **more)

    monkeypatch.setattr(Pictures, "make", stopping)
    stopped = synthesise(attacker, options(), out)
    assert stopped.interrupted
    assert stopped.pictures == stopped.card["pictures"] == 4
    assert "of 5; the set is not finished" in (out / "README.md").read_text()
    # What a kill in the middle of a batch leaves: one of its pictures, and half a line.
    (out / "faces" / "000002").mkdir()
    (out / "faces" / "000002" / "000.png").write_bytes(b"half")
    with (out / "shard-0-of-1.jsonl").open("ab") as file:
        file.write(b'{"batch": 1, "identit')
    went_on = synthesise(attacker, options(), out)
    assert went_on.pictures == 6
    assert not went_on.interrupted
    assert files_of(out) == files_of(whole)
    assert journal(out) == journal(whole)


def test_a_picture_that_is_gone_is_made_again(attacker: Attacker, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    shutil.copytree(whole, out)
    (out / "faces" / "000004" / "001.png").unlink()
    assert synthesise(attacker, options(), out).pictures == 2
    assert files_of(out) == files_of(whole)


def test_tar_files_have_the_pictures_and_their_labels(
    attacker: Attacker, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TAR_PICTURES", 8)
    out, parts = tmp_path / "set", tmp_path / "parts"
    synthesise(attacker, options(format="webdataset"), out)
    found: dict[str, dict[str, bytes]] = {}
    for path in sorted((out / "faces").iterdir()):
        with tarfile.open(path) as tar:
            for member in tar.getmembers():
                key, _, ending = member.name.partition(".")
                found.setdefault(key, {})[ending] = tar.extractfile(member).read()  # type: ignore[union-attr]
                assert (member.mtime, member.uid) == (0, 0)
    assert [path.name for path in sorted((out / "faces").iterdir())] == ["000000.tar", "000001.tar"]
    wanted = {
        f"{path.parent.name}_{path.stem}": {
            "png": path.read_bytes(),
            "cls": str(int(path.parent.name)).encode(),
        }
        for path in (whole / "faces").rglob("*.png")
    }
    assert found == wanted
    assert not [path.name for path in out.iterdir() if path.name.startswith(".")]
    for part in (0, 1):
        synthesise(attacker, options(format="webdataset"), parts, shard=Shard(part, 2))
    assert files_of(parts) == files_of(out)


def test_a_tar_file_that_was_not_finished_goes_on_from_its_batches(
    attacker: Attacker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = options(format="webdataset")
    synthesise(attacker, chosen, tmp_path / "whole")

    def killed(*given: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(set_folder.SetFolder, "finish_block", killed)
        with pytest.raises(RuntimeError):
            synthesise(attacker, chosen, tmp_path / "set")
    assert files_of(tmp_path / "set") == {}
    (tmp_path / "set" / ".shard-0-of-1.parts" / "000002" / "000.png").unlink()
    assert synthesise(attacker, chosen, tmp_path / "set").pictures == 4, "one batch of three"
    assert files_of(tmp_path / "set") == files_of(tmp_path / "whole")


def test_more_pictures_of_an_identity_than_a_batch_are_made_in_several(
    attacker: Attacker, tmp_path: Path
) -> None:
    chosen = options(identities=2, per_identity=5, batch_size=2, steps=1)
    assert Batches(chosen).count == 2
    assert synthesise(attacker, chosen, tmp_path / "set").pictures == 10
    assert len(files_of(tmp_path / "set")) == 10


@pytest.mark.parametrize(
    ("identities", "per_identity", "batch_size", "output", "parts"),
    [
        (7, 3, 8, "folder", 3),
        (100, 8, 32, "webdataset", 2),
        (1, 1, 1, "folder", 4),
        (1000, 8, 16, "folder", 7),
    ],
)
def test_every_picture_is_in_one_part(
    identities: int, per_identity: int, batch_size: int, output: Any, parts: int
) -> None:
    chosen = SynthesisOptions(
        identities=identities, per_identity=per_identity, batch_size=batch_size, format=output
    )
    batches = Batches(chosen)
    found = [
        (one.identity, one.picture)
        for part in range(parts)
        for block in batches.blocks(Shard(part, parts))
        for one in batches.pictures(batches.of_block(block))
    ]
    assert sorted(found) == [
        (identity, picture) for identity in range(identities) for picture in range(per_identity)
    ]


def test_the_seed_decides_and_identities_are_written(attacker: Attacker, whole: Path, tmp_path: Path) -> None:
    synthesise(attacker, options(seed=1, identities=1, steps=1), tmp_path / "other")
    first, other = (load_file(out / "identities.safetensors") for out in (whole, tmp_path / "other"))
    assert first["directions"].shape == (5, 12)
    assert not np.allclose(first["directions"][:1], other["directions"])


def test_sets_are_not_mixed(attacker: Attacker, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    shutil.copytree(whole, out)
    with pytest.raises(InputError, match="expected the same set as before, got another options"):
        synthesise(attacker, options(seed=9), out)
    assert files_of(out) == files_of(whole)
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "photograph.jpg").touch()
    with pytest.raises(InputError, match="got other files in it; choose another --out"):
        synthesise(attacker, options(), tmp_path / "photographs")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        synthesise(attacker, options(), tmp_path / "file")


def test_two_runs_of_one_part_are_refused(attacker: Attacker, tmp_path: Path) -> None:
    refused: list[str] = []

    def progress(done: int, total: int) -> None:
        if not refused:
            with pytest.raises(InputError) as error:
                synthesise(attacker, options(identities=1, steps=1), tmp_path / "set")
            refused.append(str(error.value))

    made: Synthesis = synthesise(
        attacker, options(identities=1, steps=1), tmp_path / "set", progress=progress
    )
    assert made.card["complete"]
    assert "expected a folder that no other run writes" in refused[0]


def test_two_processes_make_the_same_set(two_workers: Workers, tmp_path: Path) -> None:
    with open_workers(1):
        attacker = small_attacker()
        synthesise(attacker, options(), tmp_path / "one")
        attacker.workers = two_workers
        made = synthesise(attacker, options(), tmp_path / "two")
    assert made.pictures == 10
    assert files_of(tmp_path / "two") == files_of(tmp_path / "one")
    assert journal(tmp_path / "two") == journal(tmp_path / "one")
