"""Classes of a network as subjects: by number and by name, and what the judge compares with."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from arcinvert.evaluation.judges import Judge
from arcinvert.evaluation.similarity import similarity
from arcinvert.subjects import class_centres, class_label, class_subjects
from arcinvert.subjects.classes import wanted_classes
from recognition.detection.alignment import crop_at, detect
from recognition.errors import InputError
from recognition.images import write_png
from recognition.recogniser import Recogniser

PERSON = "Eileen_Collins"
Picture = NDArray[np.uint8]


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
    with pytest.raises(InputError, match=r"got 'Bob Bakr'; the nearest: 'Bob Baker'"):
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


@pytest.mark.parametrize("wanted", [True, 1.0, None, [1]])
def test_a_class_number_of_another_type(tiny: Recogniser, wanted: Any) -> None:
    with pytest.raises(InputError, match="class id: expected a whole number, got"):
        class_label(tiny, wanted)


def test_wanted_classes_keep_their_order() -> None:
    assert wanted_classes([3, np.int64(1)], ("B", "A")) == [3, 1, "B", "A"]
    assert wanted_classes(None, "A") == ["A"]
    assert wanted_classes(iter([2, 0]), None) == [2, 0]
    assert wanted_classes([], None) == []


def test_a_class_that_is_named_twice_is_one_subject(tiny: Recogniser, judge: Judge) -> None:
    subjects = class_subjects(tiny, [1, "Bob Baker", 1, 0], judge)
    assert [subject.label for subject in subjects] == [1, 0]


def test_no_references_for_a_network_without_names(judge: Judge) -> None:
    recogniser = Recogniser(nn.Identity(), name="nameless", centres=torch.eye(3))
    (subject,) = class_subjects(recogniser, [1], judge)
    assert subject.name == "class 1"
    assert subject.reference.second is None
