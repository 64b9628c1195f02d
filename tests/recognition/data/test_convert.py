"""Faces from one form into another and back are the same files."""

from pathlib import Path

import pytest

from recognition.data.convert import convert, convert_pairs
from recognition.data.encoded import read_encoded
from recognition.data.lists import read_list, write_list
from recognition.data.pairs import read_pairs
from recognition.data.sources import open_source
from recognition.data.verification_sets import open_verification_set
from recognition.data.writers import WRITERS
from recognition.errors import InputError


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.png")}


@pytest.mark.parametrize("form", ["records", "shards", "parquet", "folders"])
def test_every_form_keeps_identities_and_files(people, tmp_path, form):
    assert set(WRITERS) == {"records", "shards", "parquet", "folders"}
    middle = tmp_path / ("set.parquet" if form == "parquet" else "set")
    assert convert(people, middle, form) == (28, [])
    assert convert(middle, tmp_path / "back", "folders") == (28, [])
    assert contents(tmp_path / "back") == contents(people)


def test_a_list_may_name_faces_inside_files(people, tmp_path):
    convert(people, tmp_path / "set", "records")
    keys = open_source(tmp_path / "set").identities["Person_03"]
    files = [*keys, people / "Person_03/Person_03_0001.png"]
    rows = [{"file": str(file), "identity": "Ann"} for file in files]
    write_list(tmp_path / "list.csv", rows)
    assert "set/train.rec/7" in (tmp_path / "list.csv").read_text()
    source = open_source(tmp_path / "list.csv")
    images = [source.read(key) for key in source.identities["Ann"]]
    assert len(images) == 3
    assert (images[0] == images[1]).all(), "files come first, in order, and their records after them"
    only = rows[:2]
    write_list(tmp_path / "list.csv", only)
    assert read_list(tmp_path / "list.csv")["Ann"].numbers.tolist() == [7, 8], "keys are made on demand"
    write_list(tmp_path / "list.csv", [only[0], only[0]])
    with pytest.raises(InputError, match=r"expected each file once, got set/train\.rec/7 of Ann again"):
        read_list(tmp_path / "list.csv")
    (tmp_path / "set/train.rec").unlink()
    with pytest.raises(InputError, match="expected its files beside it"):
        read_list(tmp_path / "list.csv")


def test_what_cannot_be_read_is_left_out_or_stops(people, tmp_path):
    import shutil

    shutil.copytree(people, tmp_path / "people")
    broken = tmp_path / "people/Person_05/Person_05_0002.png"
    broken.write_bytes(b"broken")
    with pytest.raises(InputError, match=r"Person_05_0002\.png: expected an image"):
        convert(tmp_path / "people", tmp_path / "set", "records", on_unreadable="stop")
    assert list((tmp_path / "set").iterdir()) == [], "nothing is half-written"
    assert convert(tmp_path / "people", tmp_path / "set", "records") == (27, [broken])
    with pytest.raises(InputError, match="expected an empty folder, got one with files"):
        convert(tmp_path / "people", tmp_path / "set", "shards")


def test_pair_lists_name_faces_inside_files_by_their_place(people, tmp_path):
    lines = [
        "2\t1",
        "Person_00\t1\t2",
        "Person_00\t1\tPerson_01\t2",
        "Person_02\t2\t1",
        "Person_02\t1\tPerson_03\t2",
    ]
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    convert(people, tmp_path / "set", "records")
    expected = read_pairs(tmp_path / "pairs.txt", open_source(people).identities)[0]
    found = read_pairs(tmp_path / "pairs.txt", open_source(tmp_path / "set").identities)[0]
    for one, other in zip(expected, found, strict=True):
        assert one[2:] == other[2:]
        assert [read_encoded(key) for key in one[:2]] == [read_encoded(key) for key in other[:2]]


def test_pairs_become_a_verification_set(people, tmp_path):
    lines = [
        "2\t1",
        "Person_00\t1\t2",
        "Person_00\t1\tPerson_01\t2",
        "Person_02\t1\t2",
        "Gone\t1\tPerson_01\t2",
    ]
    lines = [lines[0], *(lines[1:] * 5)]
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    assert convert_pairs(people, tmp_path / "pairs.txt", tmp_path / "x.bin") == (15, 5)
    pairs = open_verification_set(tmp_path / "x.bin")
    assert pairs.mated.tolist()[:3] == [True, False, True]
    assert pairs.image(1) == (people / "Person_00/Person_00_0002.png").read_bytes()
