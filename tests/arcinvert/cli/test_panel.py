"""`arcinvert panel`: what it writes, and what it refuses."""

from pathlib import Path

import pytest

from arcinvert import panel
from tests.arcinvert.cli.commands import assert_one_line, names_below, run
from tests.arcinvert.support import NO_VERDICT


def test_a_panel_is_written(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(panel, "judge_images", lambda judge, images, *_: [NO_VERDICT] * len(images))
    monkeypatch.chdir(tmp_path)
    cells = ("--yaws", -10, 10, "--expressions", "smile", "--steps", 1)
    assert run("panel", "--class-name", "Eve Easy", "--model", tiny_model, *cells) == 0
    assert names_below(tmp_path) == ["arcinvert-results", "arcinvert-results/panel-Eve Easy.png"]
    assert "Wrote arcinvert-results/panel-Eve Easy.png" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--class-id", 1, "--yaws", 60), "yaw: expected"),
        (("--class-id", 1, "--ages", 90), "age: expected"),
        (("--class-id", 1, "--ages", 30, "--yaws", 0), "not allowed with argument"),
        (("--class-id", 1, "--out", "panel.jpg"), "out: expected a file that ends with .png, got panel.jpg"),
        ((), "one of the arguments"),
        (("--class-id", 1, "--id-column", "who"), "expected --id-column with --template, got it with"),
    ],
)
def test_what_is_refused(
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[object, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("panel", "--model", tiny_model, *options) == 2
    error = capsys.readouterr().err
    assert_one_line(error)
    assert message in error
    assert names_below(tmp_path) == []
