"""Pair lists in the format of LFW."""

import re
from pathlib import Path

import numpy as np
import pytest

from recognition.data.pairs import read_pairs
from recognition.errors import InputError
from tests.recognition.data.helpers import listed


@pytest.fixture
def people() -> dict[str, list[Path]]:
    return {"Ann_Able": listed("Ann_Able", 3), "Bob": listed("Bob", 2), "Cat": listed("Cat", 1)}


def write_pairs(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_pairs_are_read_with_kinds_and_folds(tmp_path, people):
    path = write_pairs(
        tmp_path, "2\t1", "Ann_Able\t1\t3", "Ann_Able\t2\tBob\t1", "Bob\t1\t2", "Cat\t1\tAnn_Able\t3"
    )
    pairs, missing = read_pairs(path, people)
    ann, bob, cat = people["Ann_Able"], people["Bob"], people["Cat"]
    assert missing == 0
    assert pairs == [
        (ann[0], ann[2], True, 0),
        (ann[1], bob[0], False, 0),
        (bob[0], bob[1], True, 1),
        (cat[0], ann[2], False, 1),
    ]


def test_missing_photographs_are_counted_and_keep_the_folds(tmp_path, people):
    path = write_pairs(
        tmp_path,
        "3 1",
        "Ann_Able 1 9",
        "Ann_Able 1 Dan 1",
        "Bob 1 2",
        "Bob 2 Cat 1",
        "Ann_Able 1 2",
        "Cat 7 Bob 1",
    )
    pairs, missing = read_pairs(path, people)
    assert missing == 3
    assert [(mated, fold) for _, _, mated, fold in pairs] == [(True, 1), (False, 1), (True, 2)]


@pytest.mark.parametrize("text", ["", "hello\n", "10\n", "ten 300\n", "\x00\xff\n", "1 2 3\n"])
def test_a_file_that_is_no_pair_list_is_refused(text, tmp_path, people):
    path = tmp_path / "pairs.txt"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"pairs\.txt: expected a pair list in LFW's format"):
        read_pairs(path, people)


def test_a_missing_pair_list_is_refused(tmp_path, people):
    with pytest.raises(InputError, match="expected a pair list in LFW's format"):
        read_pairs(tmp_path / "none.txt", people)


@pytest.mark.parametrize("line", ["Bob 1", "Bob", "Bob 1 Cat 1 5"])
def test_a_pair_with_other_fields_is_refused(line, tmp_path, people):
    path = write_pairs(tmp_path, "2 1", "Ann_Able 1 2", line)
    with pytest.raises(InputError, match="expected 3 or 4 fields in pair 2, got "):
        read_pairs(path, people)


@pytest.mark.parametrize("line", ["Bob one two", "Bob 1 Cat x"])
def test_a_pair_without_numbers_is_refused(line, tmp_path, people):
    path = write_pairs(tmp_path, "2 1", "Ann_Able 1 2", line)
    with pytest.raises(InputError, match="pair"):
        read_pairs(path, people)


@pytest.mark.parametrize("header", ["2 0", "0 5", "2 -1", "1 5"])
def test_a_header_without_folds_or_pairs_is_refused(header, tmp_path, people):
    path = write_pairs(tmp_path, header, "Ann_Able 1 2", "Bob 1 Cat 1")
    with pytest.raises(InputError, match="expected"):
        read_pairs(path, people)


def test_pairs_of_other_people_are_refused(tmp_path, people):
    path = write_pairs(tmp_path, "2 1", "Dan 1 2", "Eve 1 Dan 1")
    with pytest.raises(InputError, match="expected pairs of these identities"):
        read_pairs(path, people)


def test_pairs_left_in_one_fold_only_are_refused(tmp_path, people):
    path = write_pairs(tmp_path, "2 1", "Ann_Able 1 2", "Bob 1 Cat 1", "Dan 1 2", "Eve 1 Dan 1")
    with pytest.raises(InputError, match="in at least 2 folds"):
        read_pairs(path, people)


@pytest.mark.shared
def test_lfws_pairs_are_6000_in_ten_balanced_folds(shared):
    path = shared / "data/lfw/pairs.txt"
    images = shared / "data/lfw/images"
    identities = {folder.name: sorted(folder.iterdir()) for folder in images.iterdir()}
    pairs, missing = read_pairs(path, identities)
    assert (len(pairs), missing) == (6000, 0)
    counts = np.zeros((10, 2), dtype=int)
    for first, second, mated, fold in pairs:
        counts[fold, int(mated)] += 1
        assert (first.parent == second.parent) == mated
    assert (counts == 300).all()
    # Without one person the pairs of that person are missing, and no other.
    gone = "George_W_Bush"
    lines = path.read_text().splitlines()[1:]
    expected = sum(bool(re.search(rf"(^|\t){gone}\t", line)) for line in lines)
    without, missing = read_pairs(path, {name: paths for name, paths in identities.items() if name != gone})
    assert missing == expected > 0
    assert without == [pair for pair in pairs if gone not in (pair[0].parent.name, pair[1].parent.name)]
