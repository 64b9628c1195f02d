"""Who is attacked and who calibrates; what cannot be read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from arcinvert.audit.cohort import Reader, sample_identities
from recognition.errors import InputError
from recognition.images import write_png

FOLDERS = {f"p{i:02d}": [Path(f"p{i:02d}/{n}.png") for n in range(1 + i % 4)] for i in range(40)}


def test_nobody_is_on_both_sides() -> None:
    cohort = sample_identities(FOLDERS, people=8, calibration_images=30, seed=0)
    outside = {name for _, name in cohort.calibration}
    assert len(cohort.attacked) == 8
    assert not outside & set(cohort.attacked)
    assert all(len(paths) >= 2 for paths in cohort.attacked.values())
    assert len(cohort.calibration) == 30
    assert len(set(cohort.calibration)) == 30
    # Some with several photographs, for mated pairs.
    assert len(outside) < 30
    assert sample_identities(FOLDERS, people=8, calibration_images=30, seed=0) == cohort
    assert sample_identities(FOLDERS, people=8, calibration_images=30, seed=1) != cohort


def test_training_people_are_left_out_where_others_are_there() -> None:
    trained = frozenset(name for name in FOLDERS if name < "p20")
    cohort = sample_identities(FOLDERS, people=3, calibration_images=30, seed=0, trained=trained)
    assert all(name >= "p20" for name in [*cohort.attacked, *(name for _, name in cohort.calibration)])
    assert cohort.avoided == 20
    everyone = sample_identities(FOLDERS, people=3, calibration_images=30, seed=0, trained=frozenset(FOLDERS))
    assert everyone.avoided == 0
    assert len(everyone.attacked) == 3


def test_classes_are_attacked_whoever_trained_on_them() -> None:
    trained = frozenset(name for name in FOLDERS if name < "p20")
    cohort = sample_identities(
        FOLDERS, people=None, calibration_images=30, seed=0, trained=trained, only=trained
    )
    assert set(cohort.attacked) == {name for name in trained if len(FOLDERS[name]) >= 2}
    assert all(name >= "p20" for _, name in cohort.calibration)


def test_other_people_may_calibrate() -> None:
    others = {"x": [Path("x/0.png")], "y": [Path("y/0.png")], "z": [Path("z/0.png")]}
    cohort = sample_identities(FOLDERS, people=None, calibration_images=9, seed=0, calibration=others)
    assert {name for _, name in cohort.calibration} == {"x", "y", "z"}
    assert len(cohort.attacked) == 30


def test_too_few_people() -> None:
    with pytest.raises(InputError, match="two photographs each"):
        sample_identities({"a": [Path("a")]}, people=None, calibration_images=9, seed=0)
    others = {name: [Path(f"{name}.png")] for name in "xy"}
    with pytest.raises(InputError, match=r"^calibration: expected at least 3 people outside.*got 2"):
        sample_identities(FOLDERS, people=4, calibration_images=9, seed=0, calibration=others)


def test_with_nobody_outside_everybody_wanted_is_attacked() -> None:
    few = {name: [Path("1"), Path("2")] for name in "abcd"}
    cohort = sample_identities(few, people=20, calibration_images=9, seed=0)
    assert sorted(cohort.attacked) == list("abcd")
    assert cohort.calibration == []
    assert cohort.notes == (
        "4 people are attacked, fewer than the 20 asked for: the folder has 4.",
        "With 0 people outside the attack the judges cannot be calibrated on them: shipped thresholds serve "
        "where a judge has them.",
    )
    # A judge without shipped thresholds needs somebody.
    halved = sample_identities(few, people=20, calibration_images=9, seed=0, keep_outside=True)
    assert len(halved.attacked) == 2
    assert halved.notes[0].startswith("Half of the 4 people are attacked")
    eight = {name: [Path("1"), Path("2")] for name in "abcdefgh"}
    halved = sample_identities(eight, people=20, calibration_images=9, seed=0, keep_outside=True)
    assert (len(halved.attacked), len({name for _, name in halved.calibration})) == (4, 4)
    assert len(halved.notes) == 1


def test_why_fewer_are_attacked() -> None:
    trained = frozenset(name for name in FOLDERS if name < "p36")
    cohort = sample_identities(FOLDERS, people=6, calibration_images=30, seed=0, trained=trained)
    # Of p36 to p39, one has a single photograph.
    assert sorted(cohort.attacked) == ["p37", "p38", "p39"]
    assert cohort.notes == (
        "3 people are attacked, fewer than the 6 asked for: the folder has 40, of whom 10 have a single "
        "photograph and 27 are training people of a network of the audit.",
    )
    only = frozenset({"p37", "p38", "p39"})
    cohort = sample_identities(FOLDERS, people=6, calibration_images=30, seed=0, only=only)
    assert cohort.notes[0].endswith("10 have a single photograph and 27 have no class or template.")


@pytest.fixture
def crops(tmp_path: Path) -> list[Path]:
    for number in range(3):
        write_png(tmp_path / f"{number}.png", np.full((112, 112, 3), 40 * number, np.uint8))
    (tmp_path / "1.png").write_bytes(b"torn")
    # Not an aligned crop, and without a face.
    write_png(tmp_path / "3.png", np.zeros((100, 100, 3), np.uint8))
    return [tmp_path / f"{number}.png" for number in range(4)]


def test_what_cannot_be_read_is_noted_or_stops(crops: list[Path]) -> None:
    reader = Reader(stop=False)
    found = reader.read_two(crops)
    assert found is not None
    assert [int(crop[0, 0, 0]) for crop in found] == [0, 80]
    assert reader.skipped == [(crops[3], "no face found")]
    assert reader.read_two(crops[1:3]) is None
    assert reader.skipped[1:] == [(crops[1], "unreadable")]
    with pytest.raises(InputError, match=r"1\.png: .*--on-unreadable skip"):
        Reader(stop=True).read(crops[1])


def test_a_copy_is_no_other_photograph(tmp_path: Path) -> None:
    """Nor one that was compressed again: the judges would see what the reconstruction was made of."""
    generator = np.random.default_rng(0)
    first, second = (
        np.asarray(Image.fromarray(generator.integers(0, 256, (14, 14, 3), np.uint8)).resize((112, 112)))
        for _ in range(2)
    )
    for name, crop in (("1.png", first), ("2.png", second), ("3.png", first)):
        write_png(tmp_path / name, crop)
    Image.fromarray(first).save(tmp_path / "4.jpg", quality=85)
    paths = sorted(tmp_path.iterdir())
    reader = Reader(stop=True)
    found = reader.read_two(paths)
    assert found is not None
    assert np.array_equal(found[0], first)
    assert np.array_equal(found[1], second)
    assert [(path.name, why) for path, why in reader.skipped] == [
        ("4.jpg", "a copy of the first photograph"),
        ("3.png", "a copy of the first photograph"),
    ]
    assert reader.read_two([paths[0], paths[2], paths[3]]) is None


def test_a_photograph_without_a_face_never_stops(crops: list[Path]) -> None:
    reader = Reader(stop=True)
    assert reader.read(crops[3]) is None
    assert reader.skipped == [(crops[3], "no face found")]
