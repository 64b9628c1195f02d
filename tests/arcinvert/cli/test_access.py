"""`--access`: attacks on black boxes from the command line."""

from pathlib import Path

import numpy as np
import pytest

from tests.arcinvert.cli.commands import assert_one_line, run
from tests.arcinvert.support import leave_out_judge, read_result


def test_from_embedding_by_scores(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_judge(monkeypatch)
    np.save(tmp_path / "ann.npy", np.random.default_rng(0).normal(size=32))
    out = tmp_path / "out"
    arguments = ["--model", tiny_model, "--surrogate", tiny_model, "--steps", 1, "--out", out]
    access = ["--access", "scores", "--queries", 20, "--faces", 24, "--decimals", 2]
    assert run("from-embedding", tmp_path / "ann.npy", *arguments, *access) == 0
    result = read_result(out)
    assert result["access"]["kind"] == "scores"
    assert result["access"]["queries"]["count"] == 20
    assert result["options"]["surrogate"] == tiny_model.name
    assert str(tiny_model.parent) not in (out / "result.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "given",
    [
        ["--queries", 20],
        ["--access", "scores", "--resume"],
        ["--access", "scores", "--statistics", "file.safetensors"],
        ["--access", "decisions", "--refine", 5],
    ],
)
def test_refusals(
    given: list[object], tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "ann.npy", np.ones(32))
    out = tmp_path / "out"
    assert run("from-embedding", tmp_path / "ann.npy", "--model", tiny_model, "--out", out, *given) == 2
    assert_one_line(capsys.readouterr().err)
    assert not out.exists()
