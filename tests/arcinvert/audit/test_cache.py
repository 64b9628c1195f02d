"""Units on disk: computed once, complete or not at all, of one plan."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from arcinvert.audit.cache import Cache
from recognition.errors import InputError


@dataclass(frozen=True)
class Part:
    judges: tuple[NDArray[np.float64], ...]
    attacked: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Whole:
    numbers: NDArray[np.int64]
    names: NDArray[np.str_]
    speed: float
    part: Part | None
    transformed: dict[str, Part]
    missing: NDArray[np.float64] | None = None


def unit(count: int = 3) -> Whole:
    part = Part((np.ones((2, 3)), np.zeros((0, 4))), np.full(2, 0.5))
    return Whole(np.arange(count), np.array(["a", "bc"]), 1.5, part, {"10 % crop": Part(()), "blur": part})


def never() -> Whole:
    raise AssertionError("computed again")


def test_a_unit_is_computed_once_and_keeps_its_types(tmp_path: Path) -> None:
    made = unit()
    assert Cache(tmp_path / "work", {"steps": 1}).get_or_compute("one", Whole, lambda: made) is made
    again = Cache(tmp_path / "work", {"steps": 1}).get_or_compute("one", Whole, never)
    assert again.numbers.tolist() == [0, 1, 2]
    assert again.names.tolist() == ["a", "bc"]
    assert again.speed == 1.5
    assert isinstance(again.speed, float)
    assert again.missing is None
    assert again.part is not None
    assert [one.shape for one in again.part.judges] == [(2, 3), (0, 4)]
    assert again.part.attacked is not None
    assert again.part.attacked.tolist() == [0.5, 0.5]
    # A part without any array leaves nothing to restore it from.
    assert list(again.transformed) == ["blur"]
    assert again.transformed["blur"].judges[0].tolist() == np.ones((2, 3)).tolist()


def test_a_unit_that_failed_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path, {})
    with pytest.raises(AssertionError, match="computed again"):
        cache.get_or_compute("one", Whole, never)
    assert cache.read("one", Whole) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.txt", "plan.json"]


def test_a_damaged_unit_is_computed_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path, {})
    cache.get_or_compute("one", Whole, lambda: unit(1000))
    whole = (tmp_path / "one.npz").read_bytes()
    for damaged in (b"", whole[:200], b"\0" * len(whole)):
        (tmp_path / "one.npz").write_bytes(damaged)
        assert cache.read("one", Whole) is None
    # So is one whose arrays are of another type of unit.
    np.savez(tmp_path / "one.npz", numbers=np.arange(3))
    assert cache.read("one", Whole) is None
    assert cache.get_or_compute("one", Whole, lambda: unit(5)).numbers.tolist() == [0, 1, 2, 3, 4]


def test_leftovers_of_a_kill_are_removed(tmp_path: Path) -> None:
    Cache(tmp_path, {})
    (tmp_path / ".one.npz.abc.part").write_bytes(b"half")
    Cache(tmp_path, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.txt", "plan.json"]


def test_units_of_another_plan_are_made_anew(tmp_path: Path) -> None:
    plan = {"options": {"steps": 1, "seed": 0}, "photographs": "ab"}
    Cache(tmp_path, plan).get_or_compute("one", Whole, unit)
    assert Cache(tmp_path, plan).changed == []
    assert Cache(tmp_path, plan).read("one", Whole) is not None
    again = Cache(tmp_path, {"options": {"steps": 2, "seed": 0}, "photographs": "cd"})
    assert again.changed == ["options (steps)", "photographs"]
    assert again.read("one", Whole) is None
    # A kill between the units' removal and the new plan leaves units of no other plan.
    assert Cache(tmp_path, plan).changed == again.changed
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        Cache(tmp_path, {"steps": 1})


def test_the_time_of_the_first_start_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert Cache(tmp_path, {}).created == "1970-01-02T00:00:00+00:00"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert Cache(tmp_path, {}).created == "1970-01-02T00:00:00+00:00"


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path, {})

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("arcinvert.audit.cache.np.savez", full)
    with pytest.raises(InputError, match="No space left on device"):
        cache.get_or_compute("one", Whole, unit)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.txt", "plan.json"]
