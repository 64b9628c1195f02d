"""InsightFace's record sets, made byte by byte."""

import os
import struct
from pathlib import Path

import numpy as np
import pytest

from recognition.data.dataset import read_aligned
from recognition.data.keys import NumberedKeys
from recognition.data.records import open_records
from recognition.data.sources import open_source
from recognition.data.writers import record_bytes, write_records
from recognition.errors import InputError
from tests.recognition.data import containers
from tests.recognition.data.containers import MAGIC, face, record, record_set


def shades(folder: Path) -> dict[str, list[int]]:
    source = open_source(folder)
    return {
        name: [round(float(source.read(key).mean()) * 255) for key in keys]
        for name, keys in source.identities.items()
    }


@pytest.mark.parametrize("text", ["2,112,112", None])
def test_identities_are_the_labels_of_the_images(tmp_path, text):
    record_set(tmp_path / "set", text=text)
    expected = {"0": [10, 20], "1": [30]}
    assert shades(tmp_path / "set") == shades(tmp_path / "set/train.rec") == expected
    source = open_source(tmp_path / "set")
    assert list(source.identities["0"]) == [tmp_path / "set/train.rec/1", tmp_path / "set/train.rec/2"]
    assert isinstance(source.identities["0"], NumberedKeys), "keys are made on demand"
    assert source.identities["0"].numbers == range(1, 3)
    assert not source.unlisted


def test_a_set_without_records_of_identities_is_listed_by_its_labels(tmp_path):
    """As im2rec writes it: no record says where identities are, and theirs do not follow each other."""
    records = [record([7], face(1)), record([3.0], face(2)), record([7, 0.5], face(3))]
    containers.write_records(tmp_path, records)
    assert shades(tmp_path) == {"7": [1, 3], "3": [2]}


def test_a_record_may_have_more_labels_than_one(tmp_path):
    """As identity, box and landmarks."""
    containers.write_records(tmp_path, [record([7, *range(15)], face(1)), record([3, *range(15)], face(2))])
    assert shades(tmp_path) == {"7": [1], "3": [2]}


def test_records_need_not_be_numbered_without_gaps_or_in_order(tmp_path):
    parts = [record([5], face(1)), record([5], face(2)), record([6], face(3))]
    places = np.cumsum([0, *map(len, parts)])
    (tmp_path / "train.rec").write_bytes(b"".join(parts))
    (tmp_path / "train.idx").write_text(f"90\t{places[2]}\n4\t0\n17\t{places[1]}\n")
    assert shades(tmp_path) == {"5": [1, 2], "6": [3]}
    assert list(open_source(tmp_path).identities["6"]) == [tmp_path / "train.rec/90"]


def test_data_with_the_magic_number_are_stored_in_parts():
    """By hand: at a multiple of four the number splits the data and is left out; elsewhere it stays."""
    data = b"abcd" + MAGIC + b"e" + MAGIC + b"fgh" + MAGIC + b"ij"
    # Multiples of four from the beginning: 4 and 16.
    assert [at for at in range(0, len(data), 4) if data[at : at + 4] == MAGIC] == [4, 16]
    expected = (
        MAGIC + struct.pack("<I", 1 << 29 | 4) + b"abcd"
        + MAGIC + struct.pack("<I", 2 << 29 | 8) + b"e" + MAGIC + b"fgh"
        + MAGIC + struct.pack("<I", 3 << 29 | 2) + b"ij\0\0"
    )  # fmt: skip
    assert record_bytes(data) == expected
    assert record_bytes(b"abc") == MAGIC + struct.pack("<I", 3) + b"abc\0"
    assert record_bytes(MAGIC) == MAGIC + struct.pack("<I", 1 << 29) + MAGIC + struct.pack("<I", 3 << 29)


@pytest.mark.parametrize("before", range(4))
def test_parts_are_joined(tmp_path, before):
    image = bytes(before) + MAGIC * 3 + b"end" + MAGIC
    write_records(tmp_path, [("Ann", [image, b"x"])])
    records = open_records(tmp_path / "train.rec")
    assert records.read(1).image == image
    assert records.read(2).image == b"x"
    assert records.read(1).labels == (0.0,)


def test_a_written_set_is_as_insightface_writes_it(tmp_path):
    people = [("Ann", [face(10), face(20)]), ("Nobody", []), ("Bob", [face(30)])]
    assert write_records(tmp_path / "own", people) == 3
    record_set(tmp_path / "expected")
    found = {name: (tmp_path / "own" / name).read_bytes() for name in ("train.idx", "property")}
    assert found == {name: (tmp_path / "expected" / name).read_bytes() for name in found}
    # The images' own numbers in the headers are free; everything else is equal.
    own, expected = (open_records(tmp_path / name / "train.rec") for name in ("own", "expected"))
    assert [own.read(n) for n in range(6)] == [expected.read(n) for n in range(6)]
    assert shades(tmp_path / "own") == {"Ann": [10, 20], "Bob": [30]}, "names are kept beside the records"


def test_a_truncated_set_names_what_is_missing(tmp_path):
    places = record_set(tmp_path)
    os.truncate(tmp_path / "train.rec", places[3] + 30)
    source = open_source(tmp_path)
    assert {name: len(keys) for name, keys in source.identities.items()} == {"0": 2}
    lost = {tmp_path / f"train.rec/{number}" for number in (3, 4, 5)}
    assert set(source.unlisted) == lost
    assert "record 4: expected" in str(source.unlisted[tmp_path / "train.rec/4"])
    assert "it is truncated" in str(source.unlisted[tmp_path / "train.rec/4"])


def test_a_damaged_image_is_named(tmp_path):
    places = record_set(tmp_path)
    content = bytearray((tmp_path / "train.rec").read_bytes())
    content[places[2]] ^= 1
    (tmp_path / "train.rec").write_bytes(content)
    source = open_source(tmp_path)
    assert len(source.identities["0"]) == 2, "the records of identities say whose image it is"
    with pytest.raises(InputError, match=r"train\.rec, record 2: damaged \(no record begins"):
        source.check(tmp_path / "train.rec/2")
    source.check(tmp_path / "train.rec/1")


def test_an_image_of_another_size_is_refused(tmp_path):
    containers.write_records(tmp_path, [record([0], face(1)), record([0], face(1, size=64))])
    source = open_source(tmp_path)
    with pytest.raises(InputError, match=r"train\.rec/1: expected an aligned 112x112 crop, got 64x64"):
        source.read(tmp_path / "train.rec/1")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.idx", b"", "expected lines of a record's number and its first byte"),
        ("train.idx", b"0\t0\n0\t5\n", "a number twice"),
        ("train.idx", b"0\t-1\n", "expected lines of a record's number"),
        ("train.idx", b"0\tx\n", "expected lines of a record's number"),
        ("train.idx", None, "expected the index of a record file, found no such file"),
        ("train.rec", b"", "it is truncated"),
        ("property", b"2,112", "expected identities,height,width, got '2,112'"),
        ("property", b"2,96,112", "expected images of 112x112, got 96x112"),
        ("identities.json", b'{"identities": ["Ann"]}', "expected a name of each of the 2 identities"),
        ("identities.json", b'{"identities": ["Ann", "Ann"]}', "expected each name once"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content, message):
    record_set(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        open_source(tmp_path)
    assert "\n" not in str(error.value)


def test_a_key_that_the_index_does_not_have_is_refused(tmp_path):
    record_set(tmp_path)
    with pytest.raises(InputError, match="record 99: expected a number of the index"):
        read_aligned(tmp_path / "train.rec/99")
    with pytest.raises(InputError, match="record 4: expected an image, got a record without one"):
        read_aligned(tmp_path / "train.rec/4")
