"""Photographs and aligned crops as subjects: the template, and what the judge compares with."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from arcinvert.evaluation.judges import Judge
from arcinvert.evaluation.similarity import similarity
from arcinvert.subjects import crop_subjects, photograph_subjects, template_of
from recognition.checkpoint import sha256
from recognition.detection.alignment import crop_at
from recognition.detection.search import find_face
from recognition.errors import InputError, NoFaceError
from recognition.images import to_tensor, write_png
from recognition.recogniser import Preprocessing, Recogniser

PERSON = "Eileen_Collins"
Picture = NDArray[np.uint8]


def test_photograph_becomes_its_template(
    tiny: Recogniser, judge: Judge, photograph: Path, astronaut_crop: Picture
) -> None:
    (subject,) = photograph_subjects(tiny, [photograph], judge)
    with torch.no_grad():
        expected = tiny(to_tensor(astronaut_crop)[None])[0]
    assert float(subject.template.norm()) == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(subject.template, expected)
    torch.testing.assert_close(template_of(tiny, astronaut_crop), expected)
    assert subject.label is None
    assert subject.name == photograph.name
    assert subject.sha256 == sha256(photograph)
    assert np.array_equal(subject.picture, astronaut_crop)
    assert subject.reference.source == pytest.approx(judge.embed([astronaut_crop])[0])
    assert subject.reference.second is None
    assert subject.reference.ceiling is None


def test_the_face_wanted_is_taken(tiny: Recogniser, judge: Judge, astronaut: Picture, tmp_path: Path) -> None:
    # Below the astronaut, a smaller and mirrored copy of her.
    scene = np.full((512 + 400, 512, 3), 255, dtype=np.uint8)
    scene[:512] = astronaut
    small = Image.fromarray(astronaut[:400, :400]).resize((360, 360), Image.Resampling.BICUBIC)
    scene[530:890, 100:460] = np.asarray(small)[:, ::-1]
    write_png(tmp_path / "two.png", scene)
    large_crop = crop_at(astronaut, find_face(astronaut, name="astronaut"))
    crops = [
        photograph_subjects(tiny, [tmp_path / "two.png"], judge, face=face)[0].picture for face in (1, 2)
    ]

    def difference(first: Picture | None, second: Picture) -> float:
        assert first is not None
        return float(np.abs(first.astype(float) - second).mean())

    assert difference(crops[0], large_crop) < 5
    assert difference(crops[1], large_crop[:, ::-1]) < 0.5 * difference(crops[1], large_crop)
    with pytest.raises(NoFaceError, match=r"face 3.*--face 1 to 2"):
        photograph_subjects(tiny, [tmp_path / "two.png"], judge, face=3)
    with pytest.raises(NoFaceError, match="face 0"):
        photograph_subjects(tiny, [tmp_path / "two.png"], judge, face=0)


def test_no_face(tiny: Recogniser, judge: Judge, tmp_path: Path) -> None:
    write_png(tmp_path / "wall.png", np.full((300, 300, 3), 120, dtype=np.uint8))
    with pytest.raises(NoFaceError, match=r"wall\.png: expected a face"):
        photograph_subjects(tiny, [tmp_path / "wall.png"], judge)


def test_photos_by_the_name_of_the_folder(
    tiny: Recogniser, judge: Judge, photograph: Path, photos: Path, astronaut_crop: Picture, tmp_path: Path
) -> None:
    copy = tmp_path / PERSON / "copy.png"
    copy.parent.mkdir()
    copy.write_bytes(photograph.read_bytes())
    subjects = photograph_subjects(tiny, [photograph, copy], judge, photos=photos)
    root = Path(os.path.commonpath([photograph.parent, copy.parent]))
    names = [path.relative_to(root).as_posix() for path in (photograph, copy)]
    assert [subject.name for subject in subjects] == names
    for subject in subjects:
        second = subject.reference.second
        assert subject.reference.source is not None
        assert second is not None
        assert subject.reference.ceiling == pytest.approx(float(similarity(subject.reference.source, second)))
        # Another photograph: near, and not the same.
        assert 0.45 < float(similarity(judge.embed([astronaut_crop])[0], second)) < 0.99


def test_photos_of_a_single_person(
    tiny: Recogniser, judge: Judge, photograph: Path, photos: Path, tmp_path: Path
) -> None:
    by_name = photograph_subjects(tiny, [photograph], judge, photos=photos)[0]
    directly = photograph_subjects(tiny, [photograph], judge, photos=photos / PERSON)[0]
    assert directly.reference.second is not None
    assert directly.reference.second == pytest.approx(by_name.reference.second)
    # Of two photographs, a folder of images cannot say whose they are.
    copy = tmp_path / "copy.png"
    copy.write_bytes(photograph.read_bytes())
    with pytest.raises(InputError, match=f"folder '{PERSON}'"):
        photograph_subjects(tiny, [photograph, copy], judge, photos=photos / PERSON)


def test_a_photograph_named_twice_is_one_subject(tiny: Recogniser, judge: Judge, photograph: Path) -> None:
    (subject,) = photograph_subjects(tiny, [photograph, str(photograph)], judge)
    assert subject.name == photograph.name


def test_photos_never_compare_a_photograph_with_itself(
    tiny: Recogniser, judge: Judge, photograph: Path
) -> None:
    for folder in (photograph.parent, photograph.parent.parent):
        (subject,) = photograph_subjects(tiny, [photograph], judge, photos=folder)
        assert subject.reference.source is not None
        assert subject.reference.second is None
        assert subject.reference.ceiling is None


def test_photos_without_a_face_are_passed_over(
    tiny: Recogniser, judge: Judge, photograph: Path, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / PERSON).mkdir()
    (tmp_path / PERSON / "1.png").write_bytes((photos / PERSON / "second.png").read_bytes())
    write_png(tmp_path / PERSON / "2.png", np.full((200, 200, 3), 120, dtype=np.uint8))
    (tmp_path / PERSON / "notes.txt").write_text("no image")
    (subject,) = photograph_subjects(tiny, [photograph], judge, photos=tmp_path)
    assert subject.reference.second is not None


@pytest.mark.parametrize("kind", ["missing", "empty", "file"])
def test_unusable_photos(tiny: Recogniser, judge: Judge, photograph: Path, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "photos"
    if kind == "empty":
        folder.mkdir()
    elif kind == "file":
        folder.write_text("no folder")
    wanted = f"'{PERSON}' in it" if kind == "empty" else "of people's photographs, found none"
    with pytest.raises(InputError, match=f"photos: expected a folder {wanted}"):
        photograph_subjects(tiny, [photograph], judge, photos=folder)


def test_photos_are_of_photographs_that_are_files(
    tiny: Recogniser, judge: Judge, astronaut: Picture, photos: Path
) -> None:
    with pytest.raises(InputError, match="photos: expected it with paths of photographs"):
        photograph_subjects(tiny, [astronaut], judge, photos=photos)


def test_a_crop_becomes_its_template(
    tiny: Recogniser, judge: Judge, photograph: Path, astronaut_crop: Picture
) -> None:
    (subject,) = crop_subjects(tiny, astronaut_crop, judge)
    (aligned,) = photograph_subjects(tiny, [photograph], judge)
    torch.testing.assert_close(subject.template, aligned.template)
    assert subject.reference.source == pytest.approx(aligned.reference.source)
    assert subject.label is None
    assert np.array_equal(subject.picture, astronaut_crop)
    # Random numbers follow from the pixels.
    (other,) = crop_subjects(tiny, astronaut_crop[:, ::-1], judge)
    assert subject.key == subject.sha256 != other.key


def test_a_crop_is_resized_for_networks_of_another_input_size(
    tiny: Recogniser, judge: Judge, astronaut_crop: Picture
) -> None:
    smaller = Recogniser(tiny.backbone, name="smaller", preprocessing=Preprocessing(input_size=96))
    (subject,) = crop_subjects(smaller, astronaut_crop, judge)
    resized = np.asarray(Image.fromarray(astronaut_crop).resize((96, 96), Image.Resampling.BILINEAR))
    with torch.no_grad():
        expected = smaller(to_tensor(resized)[None])[0]
    # The way of resizing may differ a little.
    assert float(subject.template @ expected) > 0.99
    assert subject.picture is not None
    assert subject.picture.shape == (112, 112, 3)
