from pathlib import Path

import numpy as np
import pytest
import torch

from recognition.data.dataset import AlignedFaces, epoch_order
from recognition.data.folders import read_folders
from recognition.data.sources import SOURCES, FaceSource, open_source, read_list, write_list
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
    assert str(people) not in (tmp_path / "list.csv").read_text(), "files are told from the list on"


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
        (b"\xff\xfe\x00", "expected a CSV list, got something else"),
        (None, "expected a list, found no such file"),
    ],
)
def test_what_is_no_list_is_refused(text, message, tmp_path):
    path = tmp_path / "list.csv"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        open_source(path)


def test_another_form_is_one_function_more(monkeypatch):
    """A record in memory, whose keys no file has."""
    images = {Path("faces.rec/0"): torch.zeros(3, 112, 112), Path("faces.rec/1"): torch.ones(3, 112, 112)}
    source = FaceSource({"a": list(images)}, read=images.__getitem__)
    monkeypatch.setitem(SOURCES, ".rec", lambda path: source)
    opened = open_source("faces.rec")
    faces = AlignedFaces([(key, 0) for key in opened.identities["a"]], read=opened.read)
    assert float(faces[1][0].mean()) == 1


def test_kept_images_are_read_once(people):
    reads = []

    def read(key):
        reads.append(key)
        return torch.rand(3, 112, 112).mul(255).round() / 255

    key = people / "Person_00/Person_00_0001.png"
    faces = AlignedFaces([(key, 3)], read=read, keep=True)
    first, second = faces[0][0], faces[0][0]
    assert torch.equal(first, second)
    assert reads == [key]


def test_an_epoch_sees_each_image_once_in_an_order_of_its_own():
    labels = np.repeat(np.arange(5), [1, 2, 3, 7, 4])
    for together in (0, 2, 3):
        orders = [epoch_order(labels, seed=1, epoch=epoch, images_per_identity=together) for epoch in (0, 1)]
        assert sorted(orders[0]) == sorted(orders[1]) == list(range(17))
        assert list(orders[0]) != list(orders[1])
        again = epoch_order(labels, seed=1, epoch=0, images_per_identity=together)
        assert list(orders[0]) == list(again)


def test_images_of_an_identity_stay_together():
    labels = np.repeat(np.arange(30), 6)[np.random.default_rng(0).permutation(180)]
    order = epoch_order(labels, seed=0, epoch=0, images_per_identity=3)
    groups = labels[order].reshape(-1, 3)
    assert (groups == groups[:, :1]).all()
    assert (groups[1:, 0] != groups[:-1, 0]).mean() > 0.8, "groups are shuffled"
