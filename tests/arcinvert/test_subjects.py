"""From names, photographs and template files to subjects; and what is refused on the way."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import save_file
from torch import nn

from arcinvert import subjects as inputs
from arcinvert.evaluation.judges import Judge
from arcinvert.evaluation.similarity import similarity
from arcinvert.subjects import (
    TemplateSubjects,
    class_centres,
    class_label,
    class_subjects,
    embedding_size,
    photograph_subjects,
    shipped_references,
    template_of,
)
from recognition.checkpoint import sha256
from recognition.detection.alignment import crop_at, detect, find_face
from recognition.errors import InputError, NoFaceError
from recognition.images import to_tensor, write_png
from recognition.recogniser import Recogniser

PERSON = "Eileen_Collins"
Picture = NDArray[np.uint8]


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def backbone_alone() -> Recogniser:
    return Recogniser(nn.Identity(), name="bare")


def test_class_by_number_and_by_name(tiny: Recogniser) -> None:
    assert class_label(tiny, 0) == 0
    assert class_label(tiny, 4) == 4
    assert class_label(tiny, "Ann Able") == 0
    assert class_label(tiny, "Cat Charlie") == 2


@pytest.mark.parametrize("wanted", [5, -1, 10**9])
def test_class_number_out_of_range(tiny: Recogniser, wanted: int) -> None:
    with pytest.raises(InputError, match=f"expected 0 to 4, got {wanted}"):
        class_label(tiny, wanted)


def test_unknown_class_name_offers_the_nearest(tiny: Recogniser) -> None:
    with pytest.raises(InputError, match=r"got 'Bob Bakr'; the nearest is 'Bob Baker'"):
        class_label(tiny, "Bob Bakr")


def test_class_name_of_a_network_without_names() -> None:
    recogniser = Recogniser(nn.Identity(), name="nameless", centres=torch.eye(3))
    with pytest.raises(InputError, match="no names"):
        class_label(recogniser, "Bob")


def test_backbone_without_centres() -> None:
    with pytest.raises(InputError, match=r"class centres.*from-image"):
        class_centres(backbone_alone())
    with pytest.raises(InputError, match="class centres"):
        class_label(backbone_alone(), 0)


def test_centres_are_unit(tiny: Recogniser) -> None:
    torch.testing.assert_close(class_centres(tiny).norm(dim=1), torch.ones(5))


def test_class_subjects_keep_their_order(tiny: Recogniser, judge: Judge) -> None:
    subjects = class_subjects(tiny, [3, "Ann Able"], judge)
    assert [(subject.label, subject.name) for subject in subjects] == [(3, "Dan Dog"), (0, "Ann Able")]
    assert torch.equal(subjects[0].template, class_centres(tiny)[3])
    assert all(subject.reference.second is None and subject.picture is None for subject in subjects)


def test_class_photos_are_the_reference(
    tiny: Recogniser, judge: Judge, astronaut: Picture, astronaut_crop: Picture, tmp_path: Path
) -> None:
    (tmp_path / "Ann Able").mkdir()
    write_png(tmp_path / "Ann Able" / "1.png", astronaut[:, ::-1])
    write_png(tmp_path / "Ann Able" / "2.png", astronaut)
    (subject,) = class_subjects(tiny, [0], judge, photos=tmp_path)
    # The last by name is Type II; the ceiling is between the two.
    second, other = judge.embed([astronaut_crop, crop_at(astronaut[:, ::-1], detect(astronaut[:, ::-1])[0])])
    assert subject.reference.source is None
    assert subject.reference.second == pytest.approx(second)
    assert subject.reference.ceiling == pytest.approx(float(similarity(second, other)))
    assert np.array_equal(subject.picture, astronaut_crop)


def test_one_class_photo_gives_no_ceiling(
    tiny: Recogniser, judge: Judge, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "Ann Able").symlink_to(photos / PERSON)
    (subject,) = class_subjects(tiny, [0], judge, photos=tmp_path)
    assert subject.reference.second is not None
    assert subject.reference.ceiling is None


def test_class_photos_missing(tiny: Recogniser, judge: Judge, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Ann Able.*--photos"):
        class_subjects(tiny, [0], judge, photos=tmp_path)


def test_shipped_references_are_of_one_class_list_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny: Recogniser, judge: Judge
) -> None:
    names = ("Ann Able", "Bob Baker", "Cat Charlie", "Dan Dog", "Eve Easy")
    (tmp_path / "data").mkdir()
    embeddings = np.random.default_rng(0).normal(size=(5, 128)).astype(np.float32)
    save_file(
        {"embeddings": embeddings, "ceilings": np.array([0.5, np.nan, 0.7, 0.6, np.nan], dtype=np.float32)},
        tmp_path / "data" / "references.safetensors",
        {"classes_sha256": hashlib.sha256("\n".join(names).encode()).hexdigest()},
    )
    monkeypatch.setattr(inputs, "files", lambda package: tmp_path)
    shipped_references.cache_clear()
    try:
        references = shipped_references(names)
        others = shipped_references(names[::-1])
        fewer = shipped_references(names[:4])
        subjects = class_subjects(tiny, [2, 1], judge)
    finally:
        shipped_references.cache_clear()
    assert sorted(references) == sorted(names)
    assert references["Bob Baker"].second == pytest.approx(embeddings[1])
    assert references["Ann Able"].ceiling == pytest.approx(0.5)
    assert references["Bob Baker"].ceiling is None
    assert references["Cat Charlie"].source is None
    assert others == fewer == {}
    assert subjects[0].reference.second == pytest.approx(embeddings[2])
    assert subjects[1].reference.second == pytest.approx(embeddings[1])


def test_no_references_for_a_network_without_names(judge: Judge) -> None:
    recogniser = Recogniser(nn.Identity(), name="nameless", centres=torch.eye(3))
    (subject,) = class_subjects(recogniser, [1], judge)
    assert subject.name == "class 1"
    assert subject.reference.second is None


def save_templates(path: Path, templates: NDArray) -> Path:
    np.save(path / "templates.npy", templates)
    return path / "templates.npy"


def test_one_template(tiny: Recogniser, tmp_path: Path) -> None:
    template = np.arange(1.0, 33.0)
    path = save_templates(tmp_path, template)
    (subject,) = TemplateSubjects(tiny, path)
    assert subject.template.dtype == torch.float32
    expected = template / np.sqrt((template**2).sum())
    assert subject.template.numpy() == pytest.approx(expected, rel=1e-6)
    assert subject.label is None
    assert subject.picture is None
    assert subject.reference.second is None
    assert subject.sha256 == sha256(path)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", "<i4", "u1"])
def test_several_templates(tiny: Recogniser, tmp_path: Path, dtype: str) -> None:
    templates = np.random.default_rng(0).integers(1, 100, (3, 32)).astype(dtype)
    subjects = TemplateSubjects(tiny, save_templates(tmp_path, templates))
    assert len(subjects) == 3
    assert len({subject.name for subject in subjects}) == 3
    for subject, template in zip(subjects, templates.astype(np.float64), strict=True):
        expected = template / np.linalg.norm(template)
        assert subject.template.numpy() == pytest.approx(expected, rel=1e-5)


def test_length_of_a_template_does_not_matter(tiny: Recogniser, tmp_path: Path) -> None:
    template = np.random.default_rng(0).normal(size=32)
    scaled = np.stack([template, template * 1e30, template * 1e-30, template * 1e200, template * 1e-200])
    subjects = TemplateSubjects(tiny, save_templates(tmp_path, scaled))
    expected = torch.tensor(template / np.linalg.norm(template), dtype=torch.float32)
    for subject in subjects:
        torch.testing.assert_close(subject.template, expected)


@pytest.mark.parametrize("shape", [(31,), (2, 33), (2, 2, 32), (), (0,), (32, 1)])
def test_wrong_dimension(tiny: Recogniser, tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="expected templates of 32 numbers"):
        TemplateSubjects(tiny, save_templates(tmp_path, np.ones(shape)))


def test_no_templates(tiny: Recogniser, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one"):
        TemplateSubjects(tiny, save_templates(tmp_path, np.ones((0, 32))))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(tiny: Recogniser, tmp_path: Path, value: float) -> None:
    templates = np.ones((3, 32))
    templates[1, 5] = value
    with pytest.raises(InputError, match=r"finite.*number 1"):
        TemplateSubjects(tiny, save_templates(tmp_path, templates))


def test_zero_template(tiny: Recogniser, tmp_path: Path) -> None:
    templates = np.ones((3, 32))
    templates[2] = 0
    with pytest.raises(InputError, match=r"zero.*number 2"):
        TemplateSubjects(tiny, save_templates(tmp_path, templates))


@pytest.mark.parametrize("dtype", ["c8", "U4", "?", "M8[s]"])
def test_no_real_numbers(tiny: Recogniser, tmp_path: Path, dtype: str) -> None:
    with pytest.raises(InputError, match="real numbers"):
        TemplateSubjects(tiny, save_templates(tmp_path, np.ones(32, dtype="i8").astype(dtype)))


def test_pickled_objects_are_refused_unread(tiny: Recogniser, tmp_path: Path) -> None:
    trace = tmp_path / "was-run"
    path = save_templates(tmp_path, np.array([Bomb(trace)], dtype=object))
    with pytest.raises(InputError, match=r"templates\.npy: expected a \.npy file of numbers"):
        TemplateSubjects(tiny, path)
    assert not trace.exists()
    # The same file does run when it is unpickled, so the refusal is what kept it from it.
    np.load(path, allow_pickle=True)
    assert trace.exists()


def npy_header(shape: str, *, descr: str = "<f4", key: str = "'shape'") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, {key}: {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"0.1 0.2 0.3\n0.4 0.5 0.6\n",
        b"\x80\x04K\x01.",
        b"PK\x03\x04 not really an archive",
        npy_header("(32,)") + b"\x00" * 64,
        npy_header("(1000000000000, 32)"),
        npy_header("(-1, 32)"),
        npy_header("(32,"),
        npy_header("(32,)", descr=",f4"),
        npy_header("(32,)", key="b'shape'"),
        npy_header("(" + "9" * 30 + ",)"),
    ],
    ids=[
        "empty",
        "text",
        "pickle",
        "zip",
        "truncated",
        "huge",
        "negative",
        "open-bracket",
        "no-type",
        "no-name",
        "astronomic",
    ],
)
def test_files_that_are_something_else(tiny: Recogniser, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "templates.npy"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"templates\.npy: expected"):
        TemplateSubjects(tiny, path)


def test_an_archive_is_refused(tiny: Recogniser, tmp_path: Path) -> None:
    np.savez(tmp_path / "templates.npz", np.ones(32))
    with pytest.raises(InputError, match=r"templates\.npz: expected"):
        TemplateSubjects(tiny, tmp_path / "templates.npz")


def test_missing_templates(tiny: Recogniser, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        TemplateSubjects(tiny, tmp_path / "nowhere.npy")
    with pytest.raises(InputError, match="expected"):
        TemplateSubjects(tiny, tmp_path)


def test_embedding_size(tiny: Recogniser) -> None:
    assert embedding_size(tiny) == 32


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
    assert subject.name == str(photograph)
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
    assert [subject.name for subject in subjects] == [str(photograph), str(copy)]
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
    assert subject.name == str(photograph)


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
    with pytest.raises(InputError, match=f"photos: expected a folder '{PERSON}'"):
        photograph_subjects(tiny, [photograph], judge, photos=folder)
