"""What a machine may lack: room on the disk, and photographs that were there a moment ago."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from recognition.terminal import LEFT_OUT
from tests.arcinvert.cli.commands import assert_one_line, names_below, run
from tests.recognition.conftest import write_people


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Files of this process end at 20,000 bytes, as on a disk that fills."""
    if sys.platform == "win32":
        pytest.skip("needs a limit of the size of files")
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["model.pt", "checkpoint_gpu_0.pt", "model.onnx"])
def test_an_export_to_a_full_disk_is_one_line(
    name: str, tiny_model: Path, tmp_path: Path, full_disk: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export", str(tiny_model), str(tmp_path / name)) == 2
    error = capsys.readouterr().err
    assert_one_line(error)
    assert f"{name}: cannot be written" in error
    assert "space" in error
    assert names_below(tmp_path) == []


def test_a_calibration_on_a_full_disk_is_one_line(
    tiny_model: Path, tmp_path: Path, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    people = write_people(tmp_path / "people", ["Ann"], 4)
    before = names_below(tmp_path)
    request.getfixturevalue("full_disk")
    arguments = ("--model", tiny_model, "--images", people, "--device", "cpu")
    assert run("calibrate", *arguments, "--out", tmp_path / "new.safetensors") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "new.safetensors: cannot be written" in error
    assert "space" in error
    assert names_below(tmp_path) == before


def test_a_photograph_that_is_gone_is_left_out(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A link to nothing is listed with the folder, as a photograph is that another program removes."""
    people = write_people(tmp_path / "people", ["Ann"], 4)
    (people / "Ann" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    arguments = ("--model", tiny_model, "--images", people, "--device", "cpu")
    assert run("calibrate", *arguments, "--out", tmp_path / "new.safetensors", "--strict") == LEFT_OUT
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == f"warning: 1 photographs were left out: {people}/Ann/gone.png"
