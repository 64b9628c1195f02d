"""`arcinvert export`: what was exported is read again."""

from pathlib import Path

import pytest

from tests.arcinvert.cli.commands import assert_one_line, run


def test_an_export_is_read_again(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export", str(tiny_model), str(tmp_path / "model.pt")) == 0
    assert run("inspect", str(tmp_path / "model.pt")) == 0
    assert "network iresnet18" in capsys.readouterr().out


def test_an_unknown_ending_is_refused(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export", str(tiny_model), str(tmp_path / "model.txt")) == 2
    assert_one_line(capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


def test_the_network_that_is_read_is_not_overwritten(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("export", str(tiny_model), str(tmp_path / "model.pt")) == 0
    before = (tmp_path / "model.pt").read_bytes()
    assert run("export", str(tmp_path / "model.pt"), str(tmp_path / "model.pt")) == 2
    assert_one_line(capsys.readouterr().err)
    assert (tmp_path / "model.pt").read_bytes() == before
