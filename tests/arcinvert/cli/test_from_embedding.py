"""`arcinvert from-embedding`: templates of a file, and files that are refused."""

from pathlib import Path

import numpy as np
import pytest

from tests.arcinvert.cli.commands import Bomb, assert_one_line, names_below, run
from tests.arcinvert.support import read_result


def test_from_embedding(tiny_model: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "people.npy", np.random.default_rng(0).normal(size=(2, 32)))
    out = tmp_path / "out"
    assert (
        run("from-embedding", tmp_path / "people.npy", "--steps", 1, "--model", tiny_model, "--out", out) == 0
    )
    assert len(read_result(out)["samples"]) == 2


def test_a_person_of_a_database(tiny_model: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(3, 32))
    np.savez(tmp_path / "leak.npz", faces=rows, dates=np.arange(3), who=np.array(["Ann Lee", "Bob", "Cat"]))
    given = ["from-embedding", tmp_path / "leak.npz", "--template-column", "faces", "--id-column", "who"]
    rest = ["--identities", "Ann Lee", "Cat", "--steps", 1, "--model", tiny_model, "--out", tmp_path / "out"]
    assert run(*given, *rest) == 0
    result = read_result(tmp_path / "out")
    assert result["inputs"] == {"templates": "leak.npz"}
    assert [sample["input"] for sample in result["samples"]] == ["Ann Lee", "Cat"]
    assert [sample["image"] for sample in result["samples"]] == ["Ann_Lee_sample0.png", "Cat_sample0.png"]


def test_a_hostile_template_is_not_run(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "templates.npy", np.array([Bomb(tmp_path / "was-run")], dtype=object))
    code = run("from-embedding", tmp_path / "templates.npy", "--model", tiny_model, "--out", tmp_path / "out")
    assert code == 2
    assert_one_line(capsys.readouterr().err)
    assert names_below(tmp_path) == ["templates.npy"]
