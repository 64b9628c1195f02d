"""Uploads are read, checked and deleted."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import app
from app.upload import Upload, decode, photograph_input, report_input
from arcinvert import InputError


def uploaded(folder: Path, name: str, content: bytes) -> Any:
    """A file as Gradio hands it over: in a folder of its own."""
    path = folder / "0123" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return SimpleNamespace(path=str(path), orig_name=f"../{name}")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradio's folder for uploads."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))


@pytest.mark.parametrize(
    "place", ["other.png", "0123/deep/other.png", "../other.png", "0123/../../other.png"]
)
def test_a_file_that_is_no_upload_is_neither_read_nor_deleted(place: str, tmp_path: Path) -> None:
    (tmp_path / "uploads/0123/deep").mkdir(parents=True)
    (tmp_path / "uploads/../other.png").write_bytes(b"private")
    path = tmp_path / "uploads" / place
    path.write_bytes(b"private")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "uploads"))
        for control in (photograph_input(), report_input()):
            file = SimpleNamespace(path=str(path), orig_name="a.png")
            file.root = [file]
            with pytest.raises(gr.Error, match="Expected an uploaded file") as refused:
                control.preprocess(file)
            assert not refused.value.print_exception
    assert path.read_bytes() == b"private"


def test_an_upload_is_read_and_deleted(tmp_path: Path) -> None:
    taken = photograph_input().preprocess(uploaded(tmp_path, "me.jpg", b"pixels"))
    assert taken == Upload("me.jpg", b"pixels")
    assert list(tmp_path.iterdir()) == []
    files = SimpleNamespace(root=[uploaded(tmp_path, "a.json", b"{}"), uploaded(tmp_path, "b.html", b"")])
    assert [file.name for file in report_input().preprocess(files)] == ["a.json", "b.html"]
    assert list(tmp_path.iterdir()) == []


def test_an_upload_that_has_gone(tmp_path: Path) -> None:
    gone = uploaded(tmp_path, "me.jpg", b"")
    Path(gone.path).unlink()
    with pytest.raises(gr.Error, match="upload is incomplete"):
        photograph_input().preprocess(gone)
    assert photograph_input().preprocess(None) is None


def test_gradio_writes_nothing_into_the_package() -> None:
    assert list(Path(app.__path__[0]).rglob("*.pyi")) == []


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_photographs_of_telephones(astronaut: NDArray[np.uint8], kind: str) -> None:
    if kind == "HEIF":
        pytest.importorskip(
            "pillow_heif", reason="needs pillow-heif, of the extra 'app'"
        ).register_heif_opener()
    buffer = io.BytesIO()
    Image.fromarray(astronaut[:260, 80:360]).save(buffer, kind, quality=90)
    found = decode(Upload(f"me.{kind.lower()}", buffer.getvalue()))
    assert found.pixels.shape == (260, 280, 3)
    assert len(found.faces) == 1


def test_photographs_are_checked_by_their_content(astronaut: NDArray[np.uint8]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(astronaut[:260, 80:360]).save(buffer, "PNG")
    # The name lies; the content counts.
    found = decode(Upload("notes.txt", buffer.getvalue()))
    assert len(found.faces) == 1
    assert found.note == ""
    with pytest.raises(InputError, match=r"a\.jpg: expected an image"):
        decode(Upload("a.jpg", b"no picture"))
    with pytest.raises(InputError, match="expected at most 20 MB"):
        decode(Upload("a.jpg", bytes(20_000_001)))
