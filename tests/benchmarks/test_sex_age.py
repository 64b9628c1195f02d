import argparse
import json

import numpy as np
import pytest

from benchmarks import sex_age
from benchmarks.sex_age import people_of, row, table
from benchmarks.sex_age_network import Readings
from recognition.images import write_png
from recognition.metrics.shares import exact_interval


class ByShade:
    """Stands for the network: a face of shade s is male with probability s / 100, and s years old."""

    def read(self, faces):
        shades = faces[:, 0, 0, 0].astype(np.float64)
        return Readings(shades / 100, shades)


PEOPLE = Readings(np.array([0.1, 0.2, 0.9, 0.8, 0.7]), np.array([20.0, 30.0, 40.0, 50.0, 60.0]))


def write_person(folder, name, shades):
    (folder / name).mkdir(parents=True)
    for number, shade in enumerate(shades, 1):
        write_png(folder / name / f"{name}_{number:04}.png", np.full((112, 112, 3), shade, np.uint8))


def test_shares_are_of_all_and_of_either_sex():
    found = row(Readings(np.array([0.3, 0.6, 0.9, 0.9, 0.4]), PEOPLE.age), PEOPLE)
    shares = {name: figure.value for name, figure in found.items()}
    assert (shares["same sex"], shares["of women"], shares["of men"]) == (0.6, 0.5, pytest.approx(2 / 3))
    low, high = (end[0] for end in exact_interval(np.array([3.0]), 5))
    assert (found["same sex"].low, found["same sex"].high) == pytest.approx((low, high))
    assert found["of women"].identities == 2


def test_the_age_kept_is_a_slope():
    own = row(PEOPLE, PEOPLE)
    assert (own["same sex"].value, own["age: kept"].value, own["age: distance"].value) == (1, 1, 0)
    third = row(Readings(PEOPLE.male, 40 + (PEOPLE.age - 40) / 3), PEOPLE)
    assert third["age: kept"].value == pytest.approx(1 / 3)
    assert third["age: distance"].value == pytest.approx((20 + 10 + 0 + 10 + 20) * 2 / 3 / 5)
    assert row(Readings(PEOPLE.male, np.full(5, 44.0)), PEOPLE)["age: kept"].value == pytest.approx(0)


def test_a_sex_of_nobody_has_a_dash():
    men = Readings(np.full(5, 0.9), PEOPLE.age)
    found = row(PEOPLE, men)
    assert found["of women"] is None
    assert "| 0.60 [" in table({"a": found})
    assert "] | - | 0.60 [" in table({"a": found})


def test_a_person_is_read_in_other_photographs_than_the_attacked_one(tmp_path):
    write_person(tmp_path, "Ann", (90, 10, 20))
    write_person(tmp_path, "Bob", (80, *range(61, 71)))
    sources = [tmp_path / name / f"{name}_0001.png" for name in ("Ann", "Bob")]
    people = people_of(ByShade(), sources, tmp_path)
    # Of Bob's ten others, the first five.
    assert people.age.tolist() == [15, 63]
    assert people.male.tolist() == pytest.approx([0.15, 0.63])


def test_the_command_prints_floor_and_ceiling(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sex_age, "SexAgeNetwork", lambda folder: ByShade())
    monkeypatch.setattr(sex_age, "mean_face", lambda: np.full((112, 112, 3), 45, np.uint8))
    # The attacked photograph, the others; Ann's attacked photograph is unlike her.
    write_person(tmp_path / "lfw", "Ann", (60, 20))
    write_person(tmp_path / "lfw", "Bob", (70, 80))
    write_person(tmp_path / "lfw", "Cat", (30, 40))
    result = tmp_path / "result"
    result.mkdir()
    samples, shades = [], {"Ann": 30, "Bob": 90, "Cat": 40}
    for name, shade in shades.items():
        write_png(result / f"{name}.png", np.full((112, 112, 3), shade, np.uint8))
        samples.append({"input": f"{name}/{name}_0001.png", "image": f"{name}.png"})
    listed = {"inputs": {"photographs": [sample["input"] for sample in samples]}, "samples": samples}
    (result / "result.json").write_text(json.dumps(listed))
    given = argparse.Namespace(folders=[result], photos=tmp_path / "lfw", network="package/model")
    sex_age.compare(given)
    rows = [line for line in capsys.readouterr().out.splitlines() if line]
    assert rows[2].startswith(f"| {result} | 1.00 [")
    # Ann gets Cat's picture, Bob Ann's, Cat Bob's: one of three is right.
    assert rows[3].startswith(f"| floor: another person's, {result} | 0.33 [")
    assert rows[4].startswith("| floor: mean face | 0.67 [")
    assert rows[5].startswith("| ceiling: the photograph | 0.67 [")
    assert rows[6].startswith("3 people, a picture each, taken for 2 women and 1 men; ages 20 to 80;")
