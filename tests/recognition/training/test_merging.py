"""Sets made one: duplicates by their centres and by their names."""

import csv
from pathlib import Path

import numpy as np
import pytest

from recognition.data.lists import read_list, write_list
from recognition.data.sources import FaceSource
from recognition.data.writers import write_folders
from recognition.errors import InputError
from recognition.recogniser import Recogniser
from recognition.training.merging import describe_merging, merge, open_sets, rows_of, similar_pairs
from tests.recognition.metrics.test_protocols import BETWEEN, BLUE, GREEN, RED, REDDISH, Means


@pytest.fixture(scope="module")
def network() -> Recogniser:
    return Recogniser(Means(), name="means").freeze()


@pytest.fixture
def sets(tmp_path) -> list[Path]:
    """Red occurs in both sets, with more images in the second; Bob is green in one and blue in the other."""
    people = (
        [("Ann", [RED]), ("Bob", [GREEN]), ("Dull", [b"broken"])],
        [("Eve", [REDDISH, RED]), ("Bob", [BLUE]), ("Fay", [BETWEEN])],
    )
    found = []
    for number, identities in enumerate(people):
        found.append(tmp_path / f"set{number}")
        found[-1].mkdir()
        write_folders(found[-1], identities)
    return found


def kept(merging) -> dict[str, str]:
    one = merging.identities
    return {
        f"{one[index].source}/{one[index].name}": f"{one[other].source}/{one[other].name}"
        for index, other in enumerate(merging.kept_as.tolist())
        if other != index
    }


def test_identities_of_one_centre_are_one_person(network, sets):
    merging, left_out = merge(network, open_sets(sets), threshold=0.99)
    assert kept(merging) == {"0/Ann": "1/Eve"}, "the one with more images is kept"
    assert merging.similarity[0] > 0.99
    assert [path.name for path in left_out] == ["Dull_0001.jpg"]
    assert describe_merging(merging, sets) == {
        "set0_identities": 3,
        "set0_kept": 2,
        "set1_identities": 3,
        "set1_kept": 3,
    }
    # With a low threshold all that are connected are one person: yellow is similar to red and to green.
    merging, _ = merge(network, open_sets(sets), threshold=0.3)
    assert kept(merging) == {"0/Ann": "1/Eve", "0/Bob": "1/Eve", "1/Fay": "1/Eve"}


def test_names_may_say_who_is_who(network, sets):
    merging, _ = merge(network, open_sets(sets), threshold=0.99, same_names=True)
    assert kept(merging) == {"0/Ann": "1/Eve", "1/Bob": "0/Bob"}, "of equally many images the first set's"


@pytest.mark.parametrize("duplicates", ["drop", "join"])
def test_the_merged_list_is_read_by_train(network, sets, tmp_path, duplicates):
    sources = open_sets(sets)
    merging, _ = merge(network, sources, threshold=0.99)
    write_list(tmp_path / "merged.csv", rows_of(merging, sets, sources, duplicates))
    found = {name: len(keys) for name, keys in read_list(tmp_path / "merged.csv").items()}
    people = {"Eve": 3 if duplicates == "join" else 2, "set0/Bob": 1, "set1/Bob": 1, "Fay": 1, "Dull": 1}
    assert found == people
    with (tmp_path / "merged.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7
    (dropped,) = [row for row in rows if row["duplicate_of"]]
    assert dropped["file"] == "set0/Ann/Ann_0001.png"
    assert (dropped["duplicate_of"], float(dropped["similarity"]) > 0.99) == ("Eve", True)
    assert dropped["kept"] == ("yes" if duplicates == "join" else "no")


@pytest.mark.parametrize("duplicates", ["join", "drop"])
def test_a_file_of_two_sets_is_kept_once(network, sets, tmp_path, duplicates):
    files = [sets[1] / "Eve" / "Eve_0001.png", sets[1] / "Fay" / "Fay_0001.png"]
    part = tmp_path / "part.csv"
    part.write_text("file,identity\n" + "".join(f"{file},{file.parent.name}\n" for file in files))
    sources = open_sets([part, sets[1]])
    merging, _ = merge(network, sources, threshold=0.9, same_names=True)
    rows = list(rows_of(merging, [part, sets[1]], sources, duplicates))
    taken = [row["file"] for row in rows if row["kept"] == "yes"]
    assert len(taken) == len(set(taken))
    every = {str(file) for file in sets[1].glob("*/*.png")}
    assert set(taken) == every if duplicates == "join" else set(taken) <= every


def test_pairs_are_found_in_blocks(monkeypatch):
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(40, 3)).astype(np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    centres[7] = 0
    monkeypatch.setattr("recognition.training.merging._SIMILARITIES", 40 * 6)
    expected = {(i, j) for i in range(40) for j in range(i + 1, 40) if centres[i] @ centres[j] >= 0.8}
    assert set(map(tuple, similar_pairs(centres, 0.8).tolist())) == expected
    assert not any(7 in pair for pair in expected)


def test_a_centre_is_of_the_first_images(network, tmp_path):
    read: list[Path] = []

    def counted(key: Path):
        import torch

        read.append(key)
        return torch.rand(3, 112, 112)

    source = FaceSource({"a": [Path("1"), Path("2"), Path("3")], "b": [Path("4")]}, read=counted)
    merge(network, [source], threshold=0.9, images=2)
    assert [path.name for path in read] == ["1", "2", "4"]


def test_arguments_out_of_range_are_refused(network, sets):
    for options, message in (
        ({"threshold": 0}, "similarity: expected a cosine above 0"),
        ({"threshold": 1.1}, "similarity: expected a cosine above 0"),
        ({"threshold": 0.5, "images": 0}, "images: expected 1 or more"),
    ):
        with pytest.raises(InputError, match=message):
            merge(network, open_sets(sets), **options)
    with pytest.raises(InputError, match="expected different sets"):
        open_sets([sets[0], sets[0]])
