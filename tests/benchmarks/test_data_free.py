"""Sets and students of the data-free benchmark, with a tiny teacher."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import data_free, data_free_sets
from benchmarks.data_free import check_setting, student_options, table
from benchmarks.data_free_sets import SCALES, Scale, Setting, make_set, real_faces, rows_in, spend
from benchmarks.drawn_faces import KINDS, detail, draw
from recognition.checkpoint import load_notes
from recognition.data.lists import read_list
from recognition.errors import InputError
from recognition.images import read_image, write_png
from recognition.loading import bundled_path, load
from recognition.recogniser import Recogniser

SCALE: Scale = replace(SCALES["quick"], identities=2, per_identity=2, weights_steps=1, drawn=3, real=128)


@pytest.fixture
def aligned(tmp_path: Path) -> Path:
    """Two training people of the bundled network with three crops each, and one who is held out."""
    folder = tmp_path / "aligned"
    names = [*(load().class_names or ())[:2], sorted(load_notes(bundled_path())["split"]["held_out"])[0]]
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(3):
            write_png(folder / name / f"{number}.png", np.full((112, 112, 3), 60 * number, dtype=np.uint8))
    return folder


@pytest.fixture
def setting(tiny_model: Path, aligned: Path, tmp_path: Path) -> Setting:
    return Setting(str(tiny_model), aligned, tmp_path / "out", SCALE)


def test_nobody_who_is_held_out_is_in_a_set(setting: Setting) -> None:
    held_out = set(load_notes(bundled_path())["split"]["held_out"])
    found = real_faces(setting)
    assert len(found) == 2
    assert not held_out & set(found)
    # 128 faces over at least 64 people.
    assert {len(paths) for paths in found.values()} == {2}


def test_sets_are_made_once_and_both_is_both(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_free_sets, "measure_synthetic", lambda network: _few(network))
    listed, seconds = make_set("both", setting)
    identities = read_list(listed)
    assert {name.split()[0] for name in identities} == {"real", "inverted"}
    assert sum(map(len, identities.values())) == 2 * 2 + 2 * 2
    assert seconds > 0
    faces = setting.out / "sets" / "inverted" / "faces"
    pictures = {path: path.stat().st_mtime_ns for path in faces.rglob("*.png")}
    assert len(pictures) == 4
    make_set("inverted", setting)
    assert {path: path.stat().st_mtime_ns for path in faces.rglob("*.png")} == pictures
    names, _ = make_set("labels", setting)
    assert read_list(names) == read_list(make_set("real", setting)[0])


def test_mixtures_are_beside_the_photographs_and_go_on_where_they_stopped(setting: Setting) -> None:
    def faces() -> list[Path]:
        listed = read_list(make_set("mixed", setting)[0])
        return [path.resolve() for paths in listed.values() for path in paths]

    photographs = {path for paths in real_faces(setting).values() for path in paths}
    first = {path: path.read_bytes() for path in faces()}
    assert len(first) == len(photographs) + SCALE.drawn
    assert photographs < set(first)
    lost = min(set(first) - photographs)
    lost.unlink()
    assert {path: path.read_bytes() for path in faces()} == first


def _few(network: Any) -> Any:
    from arcinvert.knowledge.calibrate import measure_synthetic

    return measure_synthetic(network, 128)


@pytest.mark.parametrize("kind", KINDS)
def test_drawn_faces_go_on_where_they_stopped(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.drawn_faces.PER_FOLDER", 3)
    draw(kind, 7, tmp_path / "whole")
    draw(kind, 4, tmp_path / "more")
    draw(kind, 7, tmp_path / "more")
    whole, more = (
        {path.relative_to(out): path.read_bytes() for path in out.rglob("*.png")}
        for out in (tmp_path / "whole", tmp_path / "more")
    )
    assert len(whole) == 7
    assert more == whole
    assert len(set(whole.values())) == 7
    assert len(rows_in(tmp_path / "whole")) == 7
    face = read_image(tmp_path / "whole" / "0000" / "000.png")
    assert face.shape == (112, 112, 3)
    mirrored = np.abs(face[:, ::-1].astype(int) - face).max()
    assert (mirrored <= 1) == (kind == "symmetric")


def test_detail_falls_with_frequency() -> None:
    noise = detail(40, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(noise.mean((1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(noise.std((1, 2, 3)), 1, atol=1e-4)
    power = np.abs(np.fft.fft2(noise.numpy()))[:, :, 0].mean((0, 1))
    # Amplitude 1/f, but for the floor at 1/112: at 4 and 16 cycles, (16 + 1) / (4 + 1).
    assert power[4] / power[16] == pytest.approx(17 / 5, rel=0.15)


def test_students_take_the_same_number_of_steps_whatever_the_set() -> None:
    scale = replace(SCALES["full"], steps=600)
    for faces in (160, 1600, 16_000):
        options = student_options("real", scale, faces, 128)
        assert options.epochs * (faces // options.batch_size) == pytest.approx(600, rel=0.7)
        assert (options.head_weight, options.teacher_weight, options.embedding_size) == (0, 1, 128)
    assert student_options("real", scale, 160, 128).epochs == 60
    labels = student_options("labels", scale, 160, 128)
    assert (labels.head_weight, labels.teacher_weight) == (1, 0)


def test_seconds_of_earlier_runs_count(tmp_path: Path) -> None:
    (tmp_path / "cost.json").write_text("5.0")
    result, seconds = spend(tmp_path / "cost.json", lambda: "done")
    assert result == "done"
    assert 5 <= seconds < 6

    def fail() -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        spend(tmp_path / "new.json", fail)
    assert json.loads((tmp_path / "new.json").read_text()) >= 0


def test_the_table_compares_with_the_teacher() -> None:
    teacher = {"tar_at_fmr_0.001": 0.8, "tar_interval_0.001": [0.7, 0.9], "eer": 0.05}
    student = teacher | {"tar_at_fmr_0.001": 0.6, "faces": 1200, "making": 10.4, "training": 20.2}
    lines = table(teacher, {"real": student})
    assert lines[-2] == "| the teacher itself | - | 0.800 [0.700, 0.900] | 1 | 0.050 | - | - | - |"
    assert lines[-1] == "| real | 1,200 | 0.600 [0.700, 0.900] | 0.75 | 0.050 | 10 | 20 | 31 |"
    assert len({line.count("|") for line in lines}) == 1


def test_a_student_is_trained_once_and_knows_its_teacher(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {"tar_at_fmr_0.001": 0.6, "tar_interval_0.001": [0.5, 0.7], "eer": 0.1}
    measured: list[str] = []

    def measure(recogniser: Recogniser, aligned: Path) -> dict[str, Any]:
        measured.append(recogniser.name)
        return figures

    monkeypatch.setattr(data_free, "measured", measure)
    student = replace(SCALE.student, width=1 / 16, image_size=32, start_size=32, batch_size=2)
    small = replace(setting, scale=replace(SCALE, steps=3, student=student))
    found = data_free.run_set("mosaic", small)
    # A batch of two of three faces: an epoch of one step.
    assert (found["faces"], found["epochs"]) == (3, 3)
    assert found["tar_at_fmr_0.001"] == 0.6
    assert found["training"] > 0
    notes = load_notes(setting.out / "students" / "mosaic" / "model.safetensors")
    assert load(setting.teacher).source.sha256 in json.dumps(notes)
    assert data_free.run_set("mosaic", small) == found
    assert len(measured) == 1
    labels = data_free.run_set("labels", small)
    trained = load(setting.out / "students" / "labels" / "model.safetensors")
    assert trained.centres is not None
    assert labels["faces"] == 4


def test_results_of_another_scale_are_refused(setting: Setting) -> None:
    check_setting(setting)
    check_setting(setting)
    with pytest.raises(InputError, match="expected results of the same teacher, scale and device"):
        check_setting(replace(setting, scale=replace(SCALE, steps=7)))
