"""A network without every second of its residual units, and what it learns from drawn faces."""

import argparse
import copy
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from benchmarks import halved
from recognition.checkpoint import load_notes
from recognition.errors import InputError
from recognition.export import export_onnx
from recognition.images import write_png
from recognition.loading import bundled_path, load
from recognition.recogniser import Preprocessing, Recogniser
from tests.benchmarks.residual_networks import as_teacher, residual_network


@pytest.fixture(scope="module")
def backbone() -> nn.Module:
    return residual_network().eval()


@pytest.fixture(scope="module")
def teacher(backbone: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return as_teacher(backbone, tmp_path_factory.mktemp("halved"))


def test_every_second_unit_that_keeps_the_size_is_taken_out(
    backbone: nn.Module, teacher: Path, tmp_path: Path
) -> None:
    """The rest computes what the same network does with these units bypassed."""
    assert len(halved.residual_units(onnx.load(teacher))) == 4
    lacking, _ = halved.halved(teacher, tmp_path / "half.onnx")
    assert lacking == 2
    found = load(tmp_path / "half.onnx")
    whole = {name: parameter.numel() for name, parameter in backbone.named_parameters()}
    gone = sum(size for name, size in whole.items() if name.startswith(("layer2.1.", "layer4.1.")))
    images = torch.rand(3, 3, 112, 112)
    bypassed = copy.deepcopy(backbone)
    for name in ("layer2", "layer4"):
        bypassed.set_submodule(f"{name}.1", nn.Identity())
    wanted = Recogniser(bypassed, name="half", preprocessing=Preprocessing())(images)
    torch.testing.assert_close(found(images), wanted, atol=1e-4, rtol=1e-3)
    assert gone > 0
    parameters = sum(parameter.numel() for parameter in load(teacher).parameters())
    assert parameters - sum(parameter.numel() for parameter in found.parameters()) == gone


def test_a_file_without_residual_units_is_refused(tmp_path: Path) -> None:
    plain = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    export_onnx(Recogniser(plain, name="plain", preprocessing=Preprocessing()), tmp_path / "plain.onnx")
    with pytest.raises(InputError, match="two residual units or more"):
        halved.halved(tmp_path / "plain.onnx", tmp_path / "half.onnx")
    (tmp_path / "other.onnx").write_bytes(b"no graph")
    with pytest.raises(InputError, match="expected an ONNX file"):
        halved.halved(tmp_path / "other.onnx", tmp_path / "half.onnx")
    assert not (tmp_path / "half.onnx").exists()


def _faces(step: int, count: int, size: int, seed: int) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1000 * seed + step % 2))


def test_a_student_learns_and_a_stopped_training_gives_the_same(
    teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = halved.Images("faces", _faces)
    monkeypatch.setattr(halved, "SAVED", 16)
    halved.halved(teacher, tmp_path / "half.onnx")
    known = load(teacher)
    images = _faces(0, 8, 112, 0)

    def similarity(student: Recogniser) -> float:
        with torch.no_grad():
            return float((student(images) * known(images)).sum(1).mean())

    whole = load(tmp_path / "half.onnx")
    before = similarity(whole)
    halved.learn(whole, known, faces, 6, tmp_path / "whole.pt", 0, batch_size=8)
    assert similarity(whole) > before

    calls = 0

    def stopped(step: int, count: int, size: int, seed: int) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return _faces(step, count, size, seed)

    part = load(tmp_path / "half.onnx")
    with pytest.raises(KeyboardInterrupt):
        halved.learn(part, known, halved.Images("faces", stopped), 6, tmp_path / "part.pt", 0, batch_size=8)
    resumed = load(tmp_path / "half.onnx")
    halved.learn(resumed, known, faces, 6, tmp_path / "part.pt", 0, batch_size=8)
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    with pytest.raises(InputError, match="expected a training of 7 steps"):
        halved.learn(resumed, known, faces, 7, tmp_path / "part.pt", 0, batch_size=8)
    with pytest.raises(InputError, match="of this teacher, seed and options"):
        halved.learn(resumed, known, faces, 6, tmp_path / "part.pt", 1, batch_size=8)
    with pytest.raises(InputError, match="of this teacher, seed and options"):
        halved.learn(
            resumed, known, faces._replace(name="images of noise"), 6, tmp_path / "part.pt", 0, batch_size=8
        )


def test_drawn_faces_of_two_steps_differ() -> None:
    first = halved.drawn(0, 4, 112, 0)
    assert first.shape == (4, 3, 112, 112)
    torch.testing.assert_close(first, halved.drawn(0, 4, 112, 0))
    assert (first - halved.drawn(1, 4, 112, 0)).abs().mean() > 0.05


def test_noise_shows_no_face() -> None:
    """Faces resemble each other pixel by pixel; two images of noise have nothing in common."""

    def resemblance(images: Tensor) -> float:
        pixels = images.mean(1).flatten(1)
        found = torch.corrcoef(pixels)
        return float(found[~torch.eye(len(found), dtype=torch.bool)].mean())

    assert resemblance(halved.drawn(0, 32, 112, 0)) > 0.2
    assert abs(resemblance(halved.noisy(0, 32, 112, 0))) < 0.05


def test_photographs_and_mixtures_are_of_people_who_are_not_measured(tmp_path: Path) -> None:
    """Each person's crops have a brightness of their own, and so has each mixture of two."""
    held_out = sorted(load_notes(bundled_path())["split"]["held_out"])[0]
    known = (load().class_names or ())[:3]
    for name, value in zip((*known, held_out), (0, 40, 80, 255), strict=True):
        for number in range(2):
            (tmp_path / name).mkdir(exist_ok=True)
            write_png(tmp_path / name / f"{number}.png", np.full((112, 112, 3), value, dtype=np.uint8))
    images = halved.images_of("photographs", tmp_path, tuning=False)
    assert images.name == "views of photographs"
    first = images.of(0, 8, 112, 0)
    assert first.shape == (8, 3, 112, 112)
    torch.testing.assert_close(first, images.of(0, 8, 112, 0))
    assert not torch.equal(first, images.of(1, 8, 112, 0))
    # Brightness and contrast change by a fifth at most: nobody is as bright as the person who is held out.
    assert first.max() < 1.2 * 1.2 * 80 / 255 + 0.01
    alone = tmp_path / "others"
    alone.mkdir()
    (tmp_path / known[0]).rename(alone / known[0])
    with pytest.raises(InputError, match="expected photographs of two people or more, found fewer"):
        halved.images_of("photographs", alone, tuning=False)


def test_tuning_people_are_left_out_where_they_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = (load().class_names or ())[:4]
    for name in names:
        (tmp_path / name).mkdir()
        write_png(tmp_path / name / "0.png", np.zeros((112, 112, 3), dtype=np.uint8))
    seen: list[list[Path]] = []
    monkeypatch.setattr(halved, "photographed", lambda paths: seen.append(paths))
    monkeypatch.setattr(halved, "tuning_people", lambda folders, held_out: [names[0]])
    for tuning in (False, True):
        halved.images_of("photographs", tmp_path, tuning=tuning)
    assert [{path.parent.name for path in paths} for paths in seen] == [set(names), set(names[1:])]


def test_a_batch_too_small_for_similarities_is_refused(tmp_path: Path) -> None:
    """What two images have in common is learned too, so that a step needs two."""
    given = argparse.Namespace(batch_size=1, out=tmp_path / "out")
    with pytest.raises(InputError, match="batch-size: expected at least 2, got 1"):
        halved.run(given)
    assert not given.out.exists()
