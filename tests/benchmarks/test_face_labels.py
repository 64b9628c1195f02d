import argparse
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import face_labels
from benchmarks.attributes import read_labels
from benchmarks.face_labels import agreement, by_person, labels_text, photographs_text, sex_of
from benchmarks.sex_age_network import Readings
from recognition.checkpoint import load_notes
from recognition.errors import InputError
from recognition.images import write_png
from recognition.loading import bundled_path


class ByShade:
    """Stands for the network: a face of shade s is male with probability s / 100, and s years old."""

    def __init__(self, folder):
        assert folder == "package/model"

    def read(self, faces):
        shades = faces[:, 0, 0, 0].astype(np.float64)
        return Readings(shades / 100, shades)


def readings(male, age):
    return Readings(np.array(male), np.array(age))


def test_a_person_has_the_mean_of_all_photographs():
    readings_of_all = readings([0.1, 0.6, 0.9], [20.0, 30.4, 41.0])
    people = by_person({"Ann, A": ["1"], "Bob": ["2", "3"]}, readings_of_all)
    assert people["Bob"].age.tolist() == [30.4, 41.0]
    assert labels_text(people) == 'identity,sex,age\n"Ann, A",female,20\nBob,male,36\n'
    assert "\nCat,female,0\n" in labels_text({"Cat": readings([0.5], [-3.0])})


def test_each_photograph_has_its_row():
    folders = {"Ann, A": [Path("Ann, A/a_1.png")], "Bob": [Path("Bob/b_1.png"), Path("Bob/b_2.png")]}
    text = photographs_text(folders, readings([0.1, 0.6, 0.9], [20.0, 30.4, 41.0]))
    assert text.splitlines() == [
        "identity,photograph,male,age",
        '"Ann, A",a_1,0.1000,20.00',
        "Bob,b_1,0.6000,30.40",
        "Bob,b_2,0.9000,41.00",
    ]


def test_the_more_probable_sex_is_the_label():
    assert [sex_of(male) for male in (0.0, 0.5, 0.51, 1.0)] == ["female", "female", "male", "male"]


def test_two_photographs_are_compared():
    # First and last agree for three of four people; ages shrink to half of the difference, from 20 to 50.
    male = [(0.9, 0.1, 0.8), (0.2, 0.4), (0.7, 0.3), (0.1, 0.2)]
    ages = [(20.0, 99.0, 10.0), (30.0, 15.0), (40.0, 20.0), (50.0, 25.0)]
    text = agreement([readings(*one) for one in zip(male, ages, strict=True)])
    assert text.startswith("First and last photograph of 4 tuning people: the same sex 0.750 [0.19")
    assert ", age kept 0.500 [" in text
    assert ", years apart 17.500 [" in text


def test_the_file_is_what_the_panels_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(face_labels, "SexAgeNetwork", ByShade)
    # One photograph of Ann is in each block.
    monkeypatch.setattr(face_labels, "_BLOCK", 2)
    for name, shades in {"Ann": (10, 30, 29), "Bob": (70, 62)}.items():
        (tmp_path / "aligned" / name).mkdir(parents=True)
        for number, shade in enumerate(shades):
            write_png(tmp_path / "aligned" / name / f"{number}.png", np.full((112, 112, 3), shade, np.uint8))
    out = tmp_path / "labels.csv"
    given = argparse.Namespace(
        aligned=tmp_path / "aligned", network="package/model", out=out, photographs=False
    )
    face_labels.label(given)
    assert out.read_text() == "identity,sex,age\nAnn,female,23\nBob,male,66\n"
    assert read_labels(out) == {
        "sex": {"Ann": "female", "Bob": "male"},
        "age": {"Ann": "20 to 39", "Bob": "60 and above"},
    }
    # Neither is one whom the bundled network was not trained on; both have two to nine photographs.
    assert not {"Ann", "Bob"} & set(load_notes(bundled_path())["split"]["held_out"])
    assert "of 2 tuning people: the same sex 1.000 [" in capsys.readouterr().out


def test_no_photographs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(face_labels, "SexAgeNetwork", ByShade)
    (tmp_path / "aligned").mkdir()
    given = {"aligned": tmp_path / "aligned", "network": "package/model", "out": tmp_path / "out.csv"}
    with pytest.raises(InputError, match="found none"):
        face_labels.label(argparse.Namespace(**given))
    assert not given["out"].exists()


def test_a_wrong_folder_ends_in_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys):
    arguments = ["--aligned", tmp_path, "--network", tmp_path, "--out", tmp_path / "labels.csv"]
    monkeypatch.setattr(sys, "argv", ["face_labels", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        face_labels.main()
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path}: expected the folder with age_gender_model")
    assert list(tmp_path.iterdir()) == []
