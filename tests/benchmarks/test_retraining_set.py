"""The photographs of a new training of the bundled network."""

from pathlib import Path

import pytest

from benchmarks.retraining_set import same_photographs
from recognition.data.folders import by_photographs, split_identities


def _folders(numbers: dict[str, int]) -> dict[str, list[Path]]:
    return {name: [Path(name, f"{one:02}") for one in range(number)] for name, number in numbers.items()}


def test_later_finds_change_neither_the_split_nor_the_order_of_classes() -> None:
    before = _folders({"Ann": 3, "Bea": 2, "Cyd": 1, "Dan": 4, "Eve": 12})
    split = split_identities(before, held_out=2, seed=0)
    numbers = {name: len(before[name]) for name in split.train}
    # A better detector finds somebody else, one photograph more of each, and the one before the first of Eve.
    after = _folders({"Abe": 2, "Ann": 4, "Bea": 3, "Cyd": 2, "Dan": 5}) | {
        "Eve": [Path("Eve", "-1"), *before["Eve"]]
    }
    found: dict[str, list[Path]] = {}
    for path in same_photographs(after, numbers, split.held_out):
        found.setdefault(path.parent.name, []).append(path)
    again = split_identities(found, held_out=2, seed=0)
    assert set(again.held_out) == set(split.held_out)
    counts = [{name: len(paths) for name, paths in one.train.items()} for one in (split, again)]
    assert by_photographs(counts[0]) == by_photographs(counts[1])
    assert again.reserved == split.reserved
    assert all(again.held_out[name] == after[name] for name in again.held_out)


def test_missing_photographs_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 2 photographs of Ann, found 1"):
        same_photographs(_folders({"Ann": 1, "Bea": 1}), {"Ann": 2}, ["Bea"])
    with pytest.raises(ValueError, match="expected 1 photographs of Bea, found 0"):
        same_photographs(_folders({"Ann": 2}), {"Ann": 2}, ["Bea"])
