"""Results appear whole or not at all."""

import errno
import json
import os
from pathlib import Path

import pytest

from arcinvert.output.folder import RESULT_NAME, SCHEMA, output_folder, write_json
from recognition.errors import InputError


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def write_result(out: Path, number: int = 1) -> None:
    with output_folder(out) as folder:
        write_json(folder / RESULT_NAME, {"schema": SCHEMA, "number": number})
        (folder / f"image{number}.png").write_bytes(b"image")


def fail(out: Path, error: BaseException) -> None:
    """Half of a result, and then an error."""
    with output_folder(out) as folder:
        (folder / RESULT_NAME).write_text("half")
        raise error


def read_number(out: Path) -> int:
    return int(json.loads((out / RESULT_NAME).read_text(encoding="utf-8"))["number"])


def test_the_folder_appears_at_the_end(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "down" / "out"
    with output_folder(out) as folder:
        (folder / "file.txt").write_text("content")
        assert not out.exists()
    assert (out / "file.txt").read_text() == "content"
    assert names(out.parent) == ["out"]


def test_the_folder_is_as_open_as_any_other(tmp_path: Path) -> None:
    write_result(tmp_path / "out")
    (tmp_path / "ordinary").mkdir()
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    write_result(tmp_path / "out")
    assert names(tmp_path / "out") == ["image1.png", RESULT_NAME]
    assert names(tmp_path) == ["out"]


def test_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_result(Path("out"))
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("error", [RuntimeError("bug"), KeyboardInterrupt(), InputError("wrong")])
@pytest.mark.parametrize("out", ["out", "deep/down/out"])
def test_nothing_stays_after_an_error(tmp_path: Path, error: BaseException, out: str) -> None:
    with pytest.raises(type(error)):
        fail(tmp_path / out, error)
    assert names(tmp_path) == []


def test_folders_that_were_there_stay_after_an_error(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    with pytest.raises(RuntimeError):
        fail(tmp_path / "deep" / "out", RuntimeError())
    assert names(tmp_path) == ["deep"]
    assert names(tmp_path / "deep") == []


def test_an_earlier_result_is_replaced(tmp_path: Path) -> None:
    write_result(tmp_path / "out", 1)
    write_result(tmp_path / "out", 2)
    assert read_number(tmp_path / "out") == 2
    assert names(tmp_path / "out") == ["image2.png", RESULT_NAME]
    assert names(tmp_path) == ["out"]


def test_an_earlier_result_outlives_an_error(tmp_path: Path) -> None:
    write_result(tmp_path / "out", 1)
    with pytest.raises(RuntimeError):
        fail(tmp_path / "out", RuntimeError())
    assert read_number(tmp_path / "out") == 1
    assert names(tmp_path) == ["out"]


def test_an_earlier_result_outlives_a_rename_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_result(tmp_path / "out", 1)
    replace = Path.replace

    def fail_at_last(self: Path, target: Path) -> Path:
        if self.name.endswith(".part"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail_at_last)
    with pytest.raises(InputError, match="cannot be written"):
        write_result(tmp_path / "out", 2)
    assert read_number(tmp_path / "out") == 1
    assert names(tmp_path) == ["out"]


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(InputError, match="other files in it"), output_folder(tmp_path):
        pytest.fail("the work began")
    assert names(tmp_path) == ["thesis.txt"]


def test_a_folder_with_another_programs_result_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "experiment"
    out.mkdir()
    (out / RESULT_NAME).write_text('{"accuracy": 0.9}')
    (out / "thesis.txt").write_text("ten years of work")
    with pytest.raises(InputError, match="other files in it"), output_folder(out):
        pytest.fail("the work began")
    assert names(out) == [RESULT_NAME, "thesis.txt"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError, match="got a file"), output_folder(tmp_path / "out"):
        pytest.fail("the work began")
    assert (tmp_path / "out").read_text() == "a file"


def test_a_parent_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    with (
        pytest.raises(InputError, match="file: expected a folder to write to, got a file"),
        output_folder(tmp_path / "file" / "deep" / "out"),
    ):
        pytest.fail("the work began")
    assert names(tmp_path) == ["file"]


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"), output_folder(tmp_path / ("a" * 300)):
        pytest.fail("the work began")
    assert names(tmp_path) == []


def test_a_link_to_an_earlier_result(tmp_path: Path) -> None:
    write_result(tmp_path / "first", 1)
    (tmp_path / "out").symlink_to(tmp_path / "first")
    write_result(tmp_path / "out", 2)
    assert read_number(tmp_path / "out") == 2
    assert names(tmp_path) == ["first", "out"]


def test_a_dangling_link_fails_before_the_work_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "nowhere")
    begun = False
    try:
        with output_folder(tmp_path / "out") as folder:
            begun = True
            (folder / "file.txt").write_text("content")
    except InputError:
        assert not begun
    else:
        assert (tmp_path / "out" / "file.txt").read_text() == "content"
    assert "out" in names(tmp_path)
    assert not [name for name in names(tmp_path) if name.startswith(".")]


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"out: cannot be written \(No space left on device\)"):
        fail(tmp_path / "out", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert names(tmp_path) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_has_no_nan(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "result.json", {"figures": [1.0, value]})
    assert names(tmp_path) == []


def test_json_comes_back(tmp_path: Path) -> None:
    content = {"name": "Zoë Łódź 王", "value": 0.1, "nothing": None, "list": [1, True]}
    write_json(tmp_path / "result.json", content)
    data = (tmp_path / "result.json").read_bytes()
    assert json.loads(data) == content
    assert "Zoë Łódź 王" in data.decode("utf-8")
    assert data.endswith(b"}\n")
