"""Sub-centres as subjects: which are chosen, what they are compared with, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from arcinvert.evaluation.judges import Judge
from arcinvert.evaluation.scores import Reference
from arcinvert.subjects.subcentres import (
    SubCentreChoice,
    parse_subcentre,
    subcentre_choice,
    subcentre_subjects,
)
from arcinvert.subjects.subject import Subject
from recognition.errors import InputError
from recognition.images import write_png
from recognition.loading import load
from recognition.recogniser import Recogniser
from recognition.subcentres import SubCentres

DOMINANT = [2, 0, 1, 1, 0]


@pytest.fixture
def several(tiny_model: Path) -> Recogniser:
    """The tiny network with three centres for each of its five classes."""
    recogniser = load(tiny_model)
    directions = F.normalize(torch.randn(5, 3, 32, generator=torch.Generator().manual_seed(0)), dim=2)
    recogniser.subcentres = SubCentres(directions, torch.tensor(DOMINANT))
    return recogniser


def subject_of(recogniser: Recogniser, label: int) -> Subject:
    assert recogniser.class_names is not None
    name = recogniser.class_names[label]
    return Subject(name, label, torch.ones(32), Reference(), stem=f"class{label}", key="")


@pytest.mark.parametrize(
    ("which", "numbers"),
    [("dominant", [[2], [1]]), ("all", [[2, 0, 1], [1, 0, 2]]), (1, [[1], [1]]), (0, [[0], [0]])],
)
def test_the_wanted_centres_are_attacked_the_dominant_one_first(
    which: int | str, numbers: list[list[int]], several: Recogniser, judge: Judge
) -> None:
    subjects = [subject_of(several, label) for label in (0, 3)]
    found = subcentre_subjects(subjects, several, judge, SubCentreChoice(which))
    wanted = [(label, number) for label, each in zip((0, 3), numbers, strict=True) for number in each]
    assert several.subcentres is not None
    for subject, (label, number) in zip(found, wanted, strict=True):
        assert subject.label == label
        assert subject.subcentre is not None
        assert subject.subcentre.describe() == {
            "number": number,
            "dominant": number == DOMINANT[label],
            "angles": None,
        }
        assert torch.equal(subject.template, several.subcentres.directions[label, number])
        # The random numbers are the class's own.
        assert (subject.key, subject.name) == ("", subject_of(several, label).name)
    assert len({subject.stem for subject in found}) == len(found)


def test_the_judge_compares_with_the_nearest_training_photograph(
    several: Recogniser, judge: Judge, astronaut_crop: np.ndarray, tmp_path: Path
) -> None:
    assert several.class_names is not None
    folder = tmp_path / several.class_names[1]
    folder.mkdir()
    write_png(folder / "1.png", astronaut_crop)
    with torch.no_grad():
        image = torch.from_numpy(astronaut_crop.copy()).permute(2, 0, 1)[None] / 255
        own = F.normalize(several(image) + several(image.flip(-1)))[0]
    assert several.subcentres is not None
    several.subcentres.directions[1, 2] = own
    found = subcentre_subjects([subject_of(several, 1)], several, judge, SubCentreChoice("all", tmp_path))
    near, *others = sorted(found, key=lambda subject: -len(subject.subcentre.photographs))  # type: ignore[union-attr]
    assert near.subcentre is not None
    assert near.subcentre.number == 2
    assert near.subcentre.angles == pytest.approx([0], abs=0.1)
    np.testing.assert_array_equal(near.subcentre.photographs[0], astronaut_crop)
    assert near.reference.source is not None
    np.testing.assert_allclose(near.reference.source, judge.embed([astronaut_crop])[0])
    for other in others:
        assert other.subcentre is not None
        assert other.subcentre.angles == ()
        assert other.reference == Reference()


@pytest.mark.parametrize("given", ["dominant", "all", 0, 2, np.int64(1), "1"])
def test_words_and_numbers_are_taken(given: object) -> None:
    expected = given if given in ("dominant", "all") else int(str(given))
    assert parse_subcentre(given) == expected


@pytest.mark.parametrize("given", ["", "one", "-1", -1, 1.5, True, "²"])
def test_other_words_and_numbers_are_refused(given: object) -> None:
    with pytest.raises(InputError, match=r"^subcentre: expected "):
        parse_subcentre(given)


def test_clusters_alone_are_refused() -> None:
    with pytest.raises(InputError, match=r"^clusters: expected a subcentre with it, got faces alone$"):
        subcentre_choice(None, "faces")
    assert subcentre_choice(None, None) is None


def test_a_network_with_one_centre_a_class_is_refused(tiny: Recogniser, judge: Judge) -> None:
    with pytest.raises(InputError, match=r"^subcentre: expected a network with several centres.*got tiny"):
        subcentre_subjects([subject_of(tiny, 0)], tiny, judge, SubCentreChoice("all"))


def test_a_centre_that_is_not_there_or_not_known_is_refused(several: Recogniser, judge: Judge) -> None:
    subjects = [subject_of(several, 0)]
    with pytest.raises(InputError, match=r"^subcentre: expected 0 to 2, dominant or all, got 3$"):
        subcentre_subjects(subjects, several, judge, SubCentreChoice(3))
    assert several.subcentres is not None
    several.subcentres = SubCentres(several.subcentres.directions, None)
    with pytest.raises(InputError, match=r"shows which centre is dominant.*give all or a number from 0 to 2"):
        subcentre_subjects(subjects, several, judge, SubCentreChoice("dominant"))
    found = subcentre_subjects(subjects, several, judge, SubCentreChoice("all"))
    assert [subject.subcentre.dominant for subject in found if subject.subcentre] == [None] * 3
