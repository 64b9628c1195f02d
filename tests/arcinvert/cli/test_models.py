"""`arcinvert models`: the list of public networks; nothing is downloaded here."""

from pathlib import Path

import pytest

from tests.arcinvert.cli.commands import assert_one_line, run


def test_the_list_of_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("models", "list") == 0
    printed = capsys.readouterr().out
    assert "insightface-r50-webface600k: IResNet-50" in printed
    assert "licence: " in printed


def test_an_unknown_model_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("models", "fetch", "none") == 2
    error = capsys.readouterr().err
    assert_one_line(error)
    assert "model: expected one of insightface-r50" in error
    assert list(tmp_path.iterdir()) == []
