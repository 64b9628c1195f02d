"""`arcinvert from-image`: the judge's verdict in the terminal and in the file."""

from pathlib import Path

import pytest

from tests.arcinvert.cli.commands import run
from tests.arcinvert.support import read_result


def test_from_image(
    tiny_model: Path, photograph: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    code = run(
        "from-image", photograph, "--photos", photos, "--steps", 2, "--model", tiny_model, "--out", out
    )
    assert code == 0
    result = read_result(out)
    assert result["inputs"]["photographs"] == [photograph.name]
    assert result["summary"]["kind"] == "type_2"
    printed = capsys.readouterr().out
    assert "Type II, 1 identity" in printed
    # A plain line on the person and an empty one come first.
    _, _, heads, line, *_ = printed.splitlines()
    cells = line.split()
    sample = result["samples"][0]
    verdict = sample["judge"]
    assert cells[0] == "first_sample0.png"
    shown = (
        sample["attacked_similarity"],
        verdict["type_1"],
        verdict["type_2"],
        verdict["floor_type_2"],
        verdict["ceiling"],
    )
    assert cells[1:6] == [f"{value:.3f}" for value in shown]
    assert cells[6:8] == ["2", f"{sample['seconds']:.2f}"]
    # Every number ends where its head ends.
    for head, cell in zip(("attacked", "Type I ", "Type II ", "floor", "ceiling"), cells[1:6], strict=True):
        end = heads.index(head) + len(head.rstrip())
        assert line[:end].endswith(cell)


def test_a_bad_photograph_among_others_is_left_out(
    tiny_model: Path, photograph: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "torn.png").write_bytes(b"torn")
    command = ("from-image", photograph, tmp_path / "torn.png", "--steps", 1, "--model", tiny_model)
    assert run(*command, "--out", tmp_path / "out") == 0
    warning = f"warning: 1 photographs were left out: {Path(tmp_path.name) / 'torn.png'}"
    assert capsys.readouterr().err.splitlines()[-1].endswith(Path(warning).name)
    assert len(read_result(tmp_path / "out")["samples"]) == 1
    assert run(*command, "--out", tmp_path / "strict", "--strict") == 3
    assert len(read_result(tmp_path / "strict")["samples"]) == 1
