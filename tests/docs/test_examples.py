"""The example scripts and the cells of the notebook run, with few steps, on a public-domain photograph."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from tests import forked
from tests.docs.project import ROOT

EXAMPLES = ROOT / "examples"


def run(script: str, *arguments: str, cwd: Path) -> str:
    done = forked.run(forked.script, str(EXAMPLES / script), arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")} == {
        "closed_set.py",
        "open_set.py",
        "audit_folder.py",
        "black_box.py",
        "panel.py",
        "attacker.ipynb",
    }


@pytest.mark.slow
def test_closed_set(tmp_path: Path) -> None:
    said = run("closed_set.py", "--class-id", "123", "--steps", "5", cwd=tmp_path)
    assert "class123_sample0.png" in said
    result = json.loads((tmp_path / "closed-set" / "result.json").read_text())
    assert [sample["class_id"] for sample in result["samples"]] == [123]


@pytest.mark.slow
@pytest.mark.parametrize("given", [True, False], ids=["photograph", "none"])
def test_open_set(tmp_path: Path, astronaut: NDArray[np.uint8], given: bool) -> None:
    Image.fromarray(astronaut).save(tmp_path / "photo.png")
    said = run("open_set.py", *(["photo.png"] if given else []), "--steps", "5", cwd=tmp_path)
    assert "Similarity to the photograph" in said
    assert (tmp_path / "open-set" / "sheet.png").is_file()


@pytest.mark.slow
def test_panel(tmp_path: Path) -> None:
    said = run("panel.py", "--yaws", "0", "20", "--steps", "5", cwd=tmp_path)
    with Image.open(tmp_path / "panel.png") as picture:
        assert f"{picture.width} x {picture.height} pixels" in said


@pytest.mark.slow
def test_black_box(tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
    Image.fromarray(astronaut).save(tmp_path / "photo.png")
    said = run("black_box.py", "photo.png", "--queries", "40", "--faces", "64", "--steps", "5", cwd=tmp_path)
    assert "40 images were shown" in said
    assert (tmp_path / "black-box" / "sheet.png").is_file()


@pytest.mark.slow
def test_audit_folder(tmp_path: Path, astronaut: NDArray[np.uint8]) -> None:
    photograph = Image.fromarray(astronaut)
    # One face under several lights stands for several people; what the audit finds is not looked at.
    for index in range(6):
        folder = tmp_path / "photographs" / f"person{index}"
        folder.mkdir(parents=True)
        ImageEnhance.Brightness(photograph).enhance(0.7 + 0.1 * index).save(folder / "1.png")
        mirrored = photograph.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        ImageEnhance.Contrast(mirrored).enhance(0.7 + 0.1 * index).save(folder / "2.png")
    said = run("audit_folder.py", "photographs", "--people", "2", "--steps", "3", cwd=tmp_path)
    assert "report.html" in said
    assert json.loads((tmp_path / "audit" / "audit.json").read_text())["people"]["attacked"] == 2


@pytest.mark.slow
def test_notebook(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("skimage", reason="needs scikit-image")
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((EXAMPLES / "attacker.ipynb").read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") for cell in notebook["cells"])
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            code = "".join(cell["source"]).replace("STEPS = 20", "STEPS = 16")
            exec(compile(code, cell["id"], "exec"), names)  # noqa: S102  (the notebook is the project's own)
    assert names["run"].interrupted
    assert names["run"]._repr_html_()
    assert "floor" in capsys.readouterr().out
