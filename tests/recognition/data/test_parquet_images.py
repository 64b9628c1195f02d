"""Parquet of images, written by pyarrow."""

from pathlib import Path

import pytest

from recognition.data import parquet_images
from recognition.data.sources import open_source
from recognition.data.writers import write_parquet
from recognition.errors import InputError
from tests.recognition.data.containers import face

pyarrow = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def shades(path: Path) -> dict[str, list[int]]:
    source = open_source(path)
    return {
        name: [round(float(source.read(key).mean()) * 255) for key in keys]
        for name, keys in source.identities.items()
    }


def write(path: Path, images, labels, *, image="image", label="label", group=2) -> None:
    table = pyarrow.table({image: images, label: labels})
    pq.write_table(table, path, row_group_size=group)


def test_images_are_binary_or_in_a_structure(tmp_path):
    images = [face(n) for n in range(5)]
    write(tmp_path / "a.parquet", images, [1, 0, 1, 1, 0])
    nested = [{"bytes": image, "path": None} for image in images]
    write(tmp_path / "b.parquet", nested, ["x", "y", "x", "x", "y"], label="identity")
    assert shades(tmp_path / "a.parquet") == {"0": [1, 4], "1": [0, 2, 3]}
    assert shades(tmp_path / "b.parquet") == {"x": [0, 2, 3], "y": [1, 4]}


def test_a_folder_of_files_is_one_source(tmp_path):
    write(tmp_path / "a.parquet", [face(1)], ["Ann"])
    write(tmp_path / "b.parquet", [face(2), face(3)], ["Ann", "Bob"])
    assert shades(tmp_path) == {"Ann": [1, 2], "Bob": [3]}
    (tmp_path / "c.parquet").write_bytes(b"PAR1")
    assert list(open_source(tmp_path).unlisted) == [tmp_path / "c.parquet"]


def test_few_row_groups_are_in_memory(tmp_path):
    write(tmp_path / "a.parquet", [face(n) for n in range(12)], ["Ann"] * 12)
    source = open_source(tmp_path / "a.parquet")
    for key in source.identities["Ann"]:
        source.read(key)
    assert len(parquet_images.open_parquet(tmp_path / "a.parquet").groups_in_memory) == 2


def test_written_parquet_is_read_by_pyarrow(tmp_path):
    assert write_parquet(tmp_path / "a.parquet", [("Ann", [face(1), face(2)]), ("Bob", [face(3)])]) == 3
    rows = pq.read_table(tmp_path / "a.parquet").to_pylist()
    expected = ((1, "Ann"), (2, "Ann"), (3, "Bob"))
    assert rows == [{"image": {"bytes": face(n), "path": None}, "identity": name} for n, name in expected]
    assert shades(tmp_path / "a.parquet") == {"Ann": [1, 2], "Bob": [3]}


def test_other_files_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    for images, label, message in (
        ([1, 2], "label", "expected images as binary"),
        ([face(1), face(2)], "name", "expected a column of identities, named identity, label"),
    ):
        write(path, images, ["x", "y"], label=label)
        with pytest.raises(InputError, match=message):
            open_source(path)
    write(path, [face(1), face(2)], ["x", None])
    with pytest.raises(InputError, match="row 1: expected an identity, got none"):
        open_source(path)
    write(path, [face(1), None], ["x", "x"])
    source = open_source(path)
    with pytest.raises(InputError, match="row 1: expected an image, got none"):
        source.read(path / "1")
    with pytest.raises(InputError, match="row 2: expected a row of the file"):
        source.read(path / "2")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="damaged, or no Parquet of images"):
        open_source(path)
    other = path.with_name("other.parquet")
    write(other, [face(1), face(2)], ["x", "y"])
    monkeypatch.setattr(parquet_images, "MAX_GROUP", 100)
    with pytest.raises(InputError, match="expected row groups of at most"):
        open_source(other)
