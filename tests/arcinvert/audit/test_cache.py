"""Units on disk: made once, whole or not at all, of one plan."""

from pathlib import Path

import numpy as np
import pytest

from arcinvert.audit.cache import Cache, Unit
from recognition.errors import InputError


def never() -> Unit:
    raise AssertionError("made again")


def test_a_unit_is_made_once(tmp_path: Path) -> None:
    unit = {"numbers": np.arange(3), "names": np.array(["a", "bc"])}
    assert Cache(tmp_path / "work", {"steps": 1}).unit("one", lambda: unit) is unit
    again = Cache(tmp_path / "work", {"steps": 1}).unit("one", never)
    assert again["numbers"].tolist() == [0, 1, 2]
    assert again["names"].tolist() == ["a", "bc"]


def test_a_unit_that_failed_leaves_nothing(tmp_path: Path) -> None:
    store = Cache(tmp_path, {})
    with pytest.raises(AssertionError, match="made again"):
        store.unit("one", never)
    assert not store.has("one")
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_a_damaged_unit_is_made_again(tmp_path: Path) -> None:
    store = Cache(tmp_path, {})
    store.unit("one", lambda: {"n": np.arange(1000)})
    whole = (tmp_path / "one.npz").read_bytes()
    for damaged in (b"", whole[:200], b"\0" * len(whole)):
        (tmp_path / "one.npz").write_bytes(damaged)
        assert store.read("one") is None
    assert store.unit("one", lambda: {"n": np.arange(5)})["n"].tolist() == [0, 1, 2, 3, 4]


def test_leftovers_of_a_kill_go(tmp_path: Path) -> None:
    Cache(tmp_path, {})
    (tmp_path / ".one.npz.abc.part").write_bytes(b"half")
    Cache(tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]


def test_another_plan_is_refused(tmp_path: Path) -> None:
    Cache(tmp_path, {"steps": 1})
    with pytest.raises(InputError, match=r"another's; choose another --out"):
        Cache(tmp_path, {"steps": 2})
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        Cache(tmp_path, {"steps": 1})


def test_the_time_of_the_first_start_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert Cache(tmp_path, {}).created == "1970-01-02T00:00:00+00:00"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert Cache(tmp_path, {}).created == "1970-01-02T00:00:00+00:00"


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Cache(tmp_path, {})

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("arcinvert.audit.cache.np.savez", full)
    with pytest.raises(InputError, match="No space left on device"):
        store.unit("one", lambda: {"n": np.arange(3)})
    assert [path.name for path in tmp_path.iterdir()] == ["plan.json"]
