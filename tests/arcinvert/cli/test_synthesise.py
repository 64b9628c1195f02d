"""`arcinvert synthesise`: a set by the command line, what it prints, and what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from arcinvert.synthesis import batch as module
from recognition.data.sources import open_source
from tests.arcinvert.cli.commands import assert_one_line, names_below, run

SMALL = ("--identities", "2", "--per-identity", "2", "--steps", "1", "--angle", "20", "--known-angle", "20")


def test_a_set_is_made_in_parts_and_described(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "set"
    # Two identities in two batches.
    common = (
        "synthesise",
        "--model",
        tiny_model,
        *SMALL,
        "--batch-size",
        "2",
        "--device",
        "cpu",
        "--out",
        out,
    )
    assert run(*common, "--shard", "1/2") == 0
    said = capsys.readouterr().out
    assert "2 pictures of 1 identities (of 2, the others are not made yet)" in said
    assert "images/s" in said
    assert "hours for the whole set of 4, peak memory" in said
    assert run(*common, "--shard", "0/2") == 0
    said = capsys.readouterr().out
    assert "4 pictures of 2 identities (complete)" in said
    card = json.loads((out / "card.json").read_text())
    smallest = card["privacy"]["directions"]["smallest"]
    assert smallest >= 20
    assert f"nearest known person: {smallest:.1f} degrees from an identity" in said
    assert {len(paths) for paths in open_source(out / "faces").identities.values()} == {2}
    assert run(*common) == 0
    assert "images/s" not in capsys.readouterr().out, "nothing was made"


def test_ctrl_c_keeps_what_is_finished(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*given: Any, **more: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "measure_identities", interrupted)
    code = run("synthesise", "--model", tiny_model, *SMALL, "--device", "cpu", "--out", tmp_path / "set")
    assert code == 130
    assert "finished pictures are kept; the same command goes on" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--shard", "2/2"), "shard: expected I/N with a part I from 0 to N - 1, such as 0/4, got '2/2'"),
        (("--shard", "half"), "such as 0/4, got 'half'"),
        (("--identities", "0"), "identities"),
        (("--angle", "91"), "angle"),
        (("--known", "nowhere"), "expected a folder of faces, found none; check --known"),
        (("--identities", "50", "--angle", "90"), "use fewer --identities or a smaller --angle"),
        (("--spread", "faces"), "spread: expected a network with measured faces, got tiny"),
        (("--steps", "0"), "steps: expected at least 1 without a regression, got 0"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line_and_writes_nothing(
    given: tuple[str, ...],
    message: str,
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "set"
    assert run("synthesise", "--model", tiny_model, *SMALL, *given, "--device", "cpu", "--out", out) == 2
    error = capsys.readouterr().err
    assert_one_line(error)
    assert message in error
    assert names_below(tmp_path) == []
