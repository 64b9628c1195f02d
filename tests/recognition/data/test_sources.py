"""Sources of labelled faces: folders and lists."""

import pytest

from recognition.data.dataset import AlignedFaces
from recognition.data.faces import check_aligned
from recognition.data.folders import read_folders
from recognition.data.lists import read_list, write_list
from recognition.data.sources import SOURCES, FaceSource, open_source
from recognition.errors import InputError


def test_a_folder_is_a_source(people):
    source = open_source(people)
    assert source.identities == read_folders(people)
    assert source.read(people / "Person_00/Person_00_0001.png").shape == (3, 112, 112)


def test_a_list_comes_back_as_it_was_written(people, tmp_path):
    files = [people / f"Person_{n:02}/Person_{n:02}_0001.png" for n in range(3)]
    named = zip(files, "bab", strict=True)
    rows = [{"file": str(file), "identity": name, "angle": "1"} for file, name in named]
    write_list(tmp_path / "list.csv", rows)
    found = open_source(tmp_path / "list.csv").identities
    assert list(found) == ["a", "b"]
    assert [path.resolve() for path in found["b"]] == [files[0], files[2]]
    assert str(people) not in (tmp_path / "list.csv").read_text(), "files are relative to the list"


def test_rows_that_are_not_kept_are_left_out(people, tmp_path):
    rows = [
        {"file": str(people / f"Person_00/Person_00_000{n}.png"), "identity": "a", "kept": kept}
        for n, kept in ((1, "no"), (2, "yes"))
    ]
    write_list(tmp_path / "list.csv", rows)
    assert [path.name for path in read_list(tmp_path / "list.csv")["a"]] == ["Person_00_0002.png"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,identity\nx,y\n", "expected a list with the columns file and identity, found no file"),
        ("file,identity\n", "expected a list of faces, found none in it"),
        ("file,identity\nx.png,\n", "expected a file and an identity in line 2"),
        ("file,identity\nx.png,y\n", r"expected its files beside it, .*x\.png is not there"),
        (b"\xff\xfe\x00", "expected a list with the columns file and identity"),
        (None, "expected a list, found no such file"),
    ],
)
def test_other_files_are_refused_as_lists(text, message, tmp_path):
    path = tmp_path / "list.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        open_source(path)


def test_another_kind_of_source_is_one_function(monkeypatch, people):
    """A kind of source is a function that lists the keys of each identity."""
    files = sorted((people / "Person_00").iterdir())
    monkeypatch.setitem(SOURCES, ".names", lambda path: ({"a": files}, {}))
    opened = open_source("faces.names")
    faces = AlignedFaces([(key, 0) for key in opened.identities["a"]], read=opened.read)
    assert faces[1][0].shape == (3, 112, 112)
    assert opened == FaceSource({"a": files}, check=check_aligned)
