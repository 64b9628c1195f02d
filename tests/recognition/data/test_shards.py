"""WebDataset shards, written by tarfile."""

import gzip
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from recognition.data.dataset import read_aligned
from recognition.data.shards import read_member
from recognition.data.sources import open_source
from recognition.data.writers import write_shards
from recognition.errors import InputError
from tests.recognition.data.containers import face, write_tar


def shades(path: Path) -> dict[str, list[int]]:
    source = open_source(path)
    return {
        name: [round(float(source.read(key).mean()) * 255) for key in keys]
        for name, keys in source.identities.items()
    }


def test_identities_are_in_cls_json_and_folders(tmp_path):
    write_tar(
        tmp_path / "a.tar",
        {
            "000.png": face(1),
            "000.cls": b"Ann\n",
            # The label may come first, and a name may have a folder.
            "part/001.json": json.dumps({"label": 7, "other": "x"}).encode(),
            "part/001.png": face(2),
            "Bob/002.png": face(3),
            "003.seg.png": face(4),
            "003.json": b'{"identity": "Ann", "label": 3}',
            "notes.txt": b"nothing",
        },
    )
    assert shades(tmp_path / "a.tar") == {"7": [2], "Ann": [1, 4], "Bob": [3]}


@pytest.mark.parametrize("order", [("0.png", "0.mask.png"), ("0.mask.png", "0.png")])
def test_of_several_images_of_a_sample_the_one_without_a_further_ending_is_the_face(tmp_path, order):
    images = {"0.png": face(1), "0.mask.png": face(9)}
    write_tar(tmp_path / "a.tar", {name: images[name] for name in order} | {"0.cls": b"Ann"})
    assert shades(tmp_path / "a.tar") == {"Ann": [1]}


def test_names_that_are_no_text_stay_apart(tmp_path):
    names = [os.fsdecode(name) for name in (b"Jos\xe9_Diaz", b"Jos\xea_Diaz")]
    write_shards(tmp_path, [(name, [face(number)]) for number, name in enumerate(names)])
    assert shades(tmp_path) == {r"Jos\xe9_Diaz": [0], r"Jos\xea_Diaz": [1]}


def test_shards_are_a_folder_or_a_range(tmp_path):
    for number in range(3):
        write_tar(tmp_path / f"f-{number:02d}.tar", {f"{number}.png": face(number), f"{number}.cls": b"Ann"})
    assert shades(tmp_path) == {"Ann": [0, 1, 2]}
    assert shades(tmp_path / "f-{01..02}.tar") == {"Ann": [1, 2]}
    with pytest.raises(InputError, match="expected a rising range"):
        open_source(tmp_path / "f-{02..01}.tar")
    source = open_source(tmp_path / "f-{02..03}.tar")
    assert list(source.unlisted) == [tmp_path / "f-03.tar"], "a missing shard is listed as left out"


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_are_read_where_they_lie(tmp_path, form):
    """Long names have headers of their own before the member's."""
    long = "x" * (90 if form == tarfile.USTAR_FORMAT else 300)
    with tarfile.open(tmp_path / "a.tar", "w", format=form) as archive:
        for number in range(3):
            member = tarfile.TarInfo(f"{long}/Ünal/{number}.png" if form != 0 else f"Unal/{number}.png")
            member.size = len(face(number))
            archive.addfile(member, io.BytesIO(face(number)))
    (name,) = open_source(tmp_path / "a.tar").identities
    assert shades(tmp_path / "a.tar")[name] == [0, 1, 2]
    with tarfile.open(tmp_path / "a.tar") as archive:
        offsets = [member.offset_data for member in archive]
    assert [key.name for key in open_source(tmp_path / "a.tar").identities[name]] == list(map(str, offsets))


def test_a_truncated_shard_keeps_its_first_faces(tmp_path):
    members = {f"{n}.{end}": face(n) if end == "png" else b"Ann" for n in range(4) for end in ("png", "cls")}
    write_tar(tmp_path / "a.tar", members)
    with tarfile.open(tmp_path / "a.tar") as archive:
        last = archive.getmember("3.png").offset_data
    os.truncate(tmp_path / "a.tar", last + 100)
    source = open_source(tmp_path / "a.tar")
    assert len(source.identities["Ann"]) == 3
    assert list(source.unlisted) == [tmp_path / "a.tar"]
    with pytest.raises(InputError, match=f"member at byte {last}: expected .* bytes, got 100: .* truncated"):
        read_member(tmp_path / "a.tar", last)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no tar", "damaged or compressed shard"),
        (gzip.compress(b"x" * 2000, mtime=0), "damaged or compressed shard"),
        (b"", "damaged or compressed shard"),
        (bytes(10240), "expected shards with faces, found none in them"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_source(tmp_path / "a.tar")


def test_faces_without_identity_and_broken_labels_are_refused(tmp_path):
    for members, message in (
        ({"1.png": face(1)}, "expected its identity in a .cls or .json member"),
        ({"1.png": face(1), "1.json": b"{"}, "no JSON"),
        ({"1.png": face(1), "1.cls": b"\xff"}, "expected UTF-8 text"),
    ):
        write_tar(tmp_path / "a.tar", members)
        with pytest.raises(InputError, match=message):
            open_source(tmp_path / "a.tar")


def test_keys_of_no_member_are_refused(tmp_path):
    write_tar(tmp_path / "a.tar", {"Ann/1.png": face(1)})
    for number in (0, 5, 1024, 10**9):
        with pytest.raises(InputError, match=f"member at byte {number}"):
            read_aligned(tmp_path / f"a.tar/{number}")


def test_written_shards_are_read_by_tarfile(tmp_path):
    people = [("Ann", [face(1), face(2)]), ("Bob/../x", [face(3)])]
    assert write_shards(tmp_path, people, faces=2) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces-000000.tar", "faces-000001.tar"]
    with tarfile.open(tmp_path / "faces-000000.tar") as archive:
        names = archive.getnames()
        assert names == ["000000000.png", "000000000.cls", "000000001.png", "000000001.cls"]
        assert archive.extractfile(names[2]).read() == face(2)
        assert archive.extractfile(names[1]).read() == b"Ann"
    assert shades(tmp_path) == {"Ann": [1, 2], "Bob/../x": [3]}


def test_listing_keeps_no_members(tmp_path):
    """Keys have 8 bytes each, whatever tarfile would keep of a member."""
    write_tar(tmp_path / "a.tar", {f"Ann/{number}.png": face(number) for number in range(50)})
    keys = open_source(tmp_path / "a.tar").identities["Ann"]
    assert isinstance(keys.numbers, np.ndarray)
    assert keys.numbers.nbytes == 50 * 8
