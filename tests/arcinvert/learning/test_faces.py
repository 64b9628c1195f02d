"""Faces of a folder, and their templates."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from arcinvert.knowledge.public_photographs import photograph_key
from arcinvert.knowledge.synthetic_faces import draw_faces
from arcinvert.learning.faces import MIXTURE, draw, read_faces, templates_of
from recognition.errors import InputError
from recognition.images import write_png
from tests.arcinvert.learning.trainings import SIZE, faces, network


def test_crops_are_read_from_all_folders_below(tmp_path: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3), dtype=np.uint8)
    (tmp_path / "b" / "c").mkdir(parents=True)
    write_png(tmp_path / "b" / "c" / "0.png", crops[1])
    write_png(tmp_path / "a.png", crops[0])
    (tmp_path / "damaged.png").write_bytes(b"nothing")
    left_out: list[Path] = []
    done: list[tuple[int, int]] = []
    read = read_faces(tmp_path, 112, left_out=left_out.append, progress=lambda *counts: done.append(counts))
    assert read.kind == "public faces"
    np.testing.assert_array_equal(read.crops.movedim(1, -1).numpy(), crops)
    assert left_out == [tmp_path / "damaged.png"]
    assert done == [(1, 3), (2, 3), (3, 3)]
    assert read.photographs is not None
    assert len(read.photographs) == 2
    assert all(read.photographs.has(photograph_key("crop", crop)) for crop in crops)
    assert read.photographs.has_person("C")
    assert len(read.photographs.people) == 1


def test_mixtures_of_faces_are_counted_apart_and_are_nobodys(tmp_path: Path) -> None:
    crops = np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), dtype=np.uint8)
    (tmp_path / "mixed").mkdir()
    (tmp_path / "Ann").mkdir()
    for number, crop in enumerate(crops):
        folder, comment = ("mixed", MIXTURE) if number < 2 else ("Ann", b"a photograph")
        Image.fromarray(crop).save(tmp_path / folder / f"{number}.jpg", comment=comment)
    read = read_faces(tmp_path, 112)
    # The folders are read in the order of their names.
    assert read.mixtures == {3, 4}
    assert read.describe(torch.arange(5)) == "2 mixtures of faces and 3 public faces"
    assert read.describe(torch.arange(3)) == "3 public faces"
    assert read.photographs is not None
    assert read.photographs.has_person("Ann")
    assert not read.photographs.has_person("mixed")


def test_a_folder_without_faces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected photographs of faces, found none; check --images$"):
        read_faces(tmp_path, 112)
    with pytest.raises(InputError, match=r"none: expected a folder of faces, found none; check --images$"):
        read_faces(tmp_path / "none", 112)


def test_without_photographs_the_faces_are_synthetic() -> None:
    drawn = draw(32, count=3)
    assert drawn.kind == "synthetic faces"
    assert drawn.photographs is None
    (expected,) = draw_faces(3, size=32)
    assert drawn.crops.shape == (3, 3, 32, 32)
    assert float((drawn.crops / 255 - expected).abs().max()) <= 0.5 / 255 + 1e-6


def test_templates_are_those_of_faces_and_of_their_mirror_images() -> None:
    some, recogniser = faces(70), network()
    done: list[tuple[int, int]] = []
    found = templates_of(recogniser, some, progress=lambda *counts: done.append(counts))
    images = some.crops.float() / 255
    with torch.no_grad():
        torch.testing.assert_close(found[:, 0], recogniser(images))
        torch.testing.assert_close(found[:, 1], recogniser(images.flip(-1)))
    assert done == [(64, 70), (70, 70)]


def test_images_have_the_size_that_is_wanted() -> None:
    some = faces()
    assert torch.equal(some.images(torch.tensor([3, 1]), SIZE), some.crops[[3, 1]] / 255)
    assert some.images(torch.tensor([3]), 8).shape == (1, 3, 8, 8)
