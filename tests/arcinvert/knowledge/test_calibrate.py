"""Calibrate: which images are measured, and what is refused before the work."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from arcinvert.knowledge.calibrate import calibrate
from arcinvert.knowledge.statistics_file import load_statistics
from recognition.errors import InputError
from recognition.images import write_png


@pytest.fixture
def faces(tmp_path: Path, astronaut_crop: NDArray[np.uint8]) -> Path:
    """A folder with four aligned crops of one face, each of its own brightness."""
    folder = tmp_path / "faces"
    (folder / "below").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "below/c.png", "below/d.png")):
        write_png(folder / name, (astronaut_crop * (1 - 0.1 * number)).astype(np.uint8))
    return folder


def test_a_sample_is_drawn_by_a_fixed_seed(tiny_model: Path, faces: Path, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    templates = []
    for name in ("first", "second"):
        path, statistics = calibrate(
            tiny_model,
            faces,
            out=tmp_path / name,
            faces=3,
            device="cpu",
            progress=lambda done, total: progress.append((done, total)),
        )
        assert statistics.images == 3
        written = load_statistics(path)
        assert written.images == 3
        assert written.nearest_neighbours is not None
        templates.append(written.nearest_neighbours.templates)
    assert torch.equal(*templates)
    assert progress == [(1, 3), (2, 3), (3, 3)] * 2


def test_faces_may_be_left_out_of_the_file(tiny_model: Path, faces: Path, tmp_path: Path) -> None:
    path, statistics = calibrate(
        tiny_model, faces, out=tmp_path / "s", keep_faces=False, layers="backbone", device="cpu"
    )
    assert statistics.nearest_neighbours is None
    assert statistics.images == 4
    assert load_statistics(path).nearest_neighbours is None


def test_what_cannot_be_measured_is_refused(tiny_model: Path, faces: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^faces: expected at least 1, got 0$"):
        calibrate(tiny_model, faces, faces=0, device="cpu")
    with pytest.raises(InputError, match=r"none: expected a folder of faces, found none; check --images$"):
        calibrate(tiny_model, tmp_path / "none", out=tmp_path / "s", device="cpu")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"expected photographs of faces, found no image; check --images$"):
        calibrate(tiny_model, tmp_path / "empty", out=tmp_path / "s", device="cpu")
    assert not (tmp_path / "s").exists()
