"""The change with age, on faces of a world in which it is known, and the files of labels."""

from pathlib import Path

import numpy as np
import pytest
import torch

from recognition.appearance.age_fitting import AgeLabels, fit_ages, read_labels
from recognition.appearance.change import SIDE
from recognition.appearance.fitting import LabelledFaces
from recognition.appearance.measures import landmarks
from recognition.errors import InputError

HEAD = "identity,photograph,male,age\n"


def world(points: np.ndarray, count: int = 400) -> tuple[LabelledFaces, AgeLabels]:
    """Return faces in which a year lowers the mouth by 0.02 pixels and reddens hair, and men's is darker.

    Old people are mostly men, so that both changes go together.
    """
    draw = np.random.default_rng(0)
    age = draw.uniform(20, 80, count)
    male = (draw.uniform(0, 100, count) < age).astype(float)
    found = points + draw.normal(0, 0.3, (count, *points.shape))
    found[:, 48:68, 1] += 0.02 * (age - 50)[:, None]
    pictures = np.full((count, 3, SIDE, SIDE), 0.5) + draw.normal(0, 0.01, (count, 3, SIDE, SIDE))
    # Away from the cheeks, whose colour is held.
    pictures[:, 0, :8] += 0.002 * (age - 50)[:, None, None]
    pictures[:, :, 8:12] -= 0.2 * male[:, None, None, None]
    faces = LabelledFaces(torch.from_numpy(pictures).float(), found, ["one"] * count)
    return faces, AgeLabels(age, male)


def test_a_year_is_that_of_the_faces_and_not_what_goes_with_it(astronaut_crop: np.ndarray) -> None:
    faces, labels = world(landmarks(astronaut_crop))
    ages = fit_ages(faces, labels)
    colours = ages.year.colours
    assert float(colours[0, :6].mean()) == pytest.approx(0.002, rel=0.1)
    # What men are darker by is not the years'.
    assert float(colours[:, 9:11].abs().mean()) < 2e-4
    right, down = (landmarks(astronaut_crop)[48:68].mean(0) * SIDE / 112).astype(int)
    # Sampled from above, where the mouth was.
    assert float(ages.year.flow[1, down, right]) * 112 == pytest.approx(-0.02, rel=0.4)


def test_ages_are_read_from_pixels(astronaut_crop: np.ndarray) -> None:
    faces, labels = world(landmarks(astronaut_crop))
    read = fit_ages(faces, labels).read(faces.pictures).numpy()
    assert np.corrcoef(read, labels.age)[0, 1] > 0.95
    assert read.mean() == pytest.approx(labels.age.mean(), abs=0.5)


def test_faces_of_one_age_are_refused(astronaut_crop: np.ndarray) -> None:
    faces, labels = world(landmarks(astronaut_crop), 40)
    with pytest.raises(InputError, match="labels: expected faces of several ages, got one"):
        fit_ages(faces, AgeLabels(np.full(40, 30.0), labels.male))


def test_labels_are_found_by_person_and_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(HEAD + "Ann,Ann_1,0.25,30.5\nBob,Bob_1,0.75,60\n")
    found = read_labels(path, [Path("faces/Bob/Bob_1.png"), Path("faces/Ann/Ann_1.jpg")])
    assert found.age.tolist() == [60.0, 30.5]
    assert found.male.tolist() == [0.75, 0.25]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a CSV file with the columns identity, photograph, male, age"),
        ("identity,sex,age\nAnn,female,3\n", "expected a CSV file with the columns"),
        (HEAD + "Ann,Ann_1,x,30\n", "expected numbers of age and male"),
        (HEAD + "Ann,Ann_1\n", "expected numbers of age and male"),
        (HEAD + "Ann,Ann_1,0.5,nan\n", "expected finite numbers"),
        (HEAD + "Bob,Ann_1,0.5,30\n", "expected a label of each photograph, found none of"),
    ],
)
def test_other_labels_are_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_labels(path, [Path("faces/Ann/Ann_1.png")])


def test_no_labels_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.csv"):
        read_labels(tmp_path / "none.csv", [])
