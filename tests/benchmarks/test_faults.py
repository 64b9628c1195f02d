import json

import numpy as np
import pytest

from benchmarks.faults import (
    Measured,
    class_by_chance,
    colour_change,
    detail,
    fine_lightness,
    measure,
    other_faces,
    read_pictures,
    read_same_people,
    row,
    same_class,
    sized,
    slope,
    source_of,
)
from recognition.errors import InputError
from recognition.images import write_png
from recognition.metrics.intervals import estimate_statistic


def test_colour_changes_are_of_colour_alone():
    lab = np.zeros((112, 112, 3))
    lab[..., 0] = np.random.default_rng(0).uniform(0, 100, (112, 112))
    assert colour_change(lab) == 0
    # 3 and 4 Lab units a pixel to the right, none down.
    lab[..., 1], lab[..., 2] = 3.0 * np.arange(112), 4.0 * np.arange(112)
    assert colour_change(lab) == pytest.approx(5 / 2)


@pytest.mark.parametrize(
    ("cycles", "expected"), [(1 / 8, 0), (1 / 4, 0), (3 / 8, 7 / np.sqrt(2)), (1 / 2, 7)]
)
@pytest.mark.parametrize("axis", [0, 1])
def test_lines_are_fine_from_a_quarter_of_a_cycle_a_pixel(cycles, expected, axis):
    wave = 50 + 7 * np.cos(2 * np.pi * cycles * np.arange(112))
    picture = np.broadcast_to(wave, (112, 112)) if axis else np.broadcast_to(wave[:, None], (112, 112))
    assert fine_lightness(picture) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("side", [112, 224])
@pytest.mark.parametrize(("cycles", "expected"), [(20, 0), (40, 7 / np.sqrt(2)), (50, 7 / np.sqrt(2))])
def test_detail_is_the_same_at_any_size(side, cycles, expected):
    wave = 50 + 7 * np.cos(2 * np.pi * cycles * np.arange(side) / side)
    assert detail(np.broadcast_to(wave, (side, side))) == pytest.approx(expected, abs=0.01)


def test_what_stands_at_opposite_edges_is_no_detail():
    slope_across = np.broadcast_to(np.linspace(0, 100, 112), (112, 112))
    assert fine_lightness(slope_across) > 3
    assert detail(slope_across) < 0.05


def test_pictures_are_measured_at_one_of_two_sizes():
    for side, expected in ((112, 112), (160, 112), (224, 224)):
        assert sized(np.zeros((1, side, side, 3), np.uint8)).shape == (1, expected, expected, 3)
    noise = np.random.default_rng(0).integers(0, 255, (2, 224, 224, 3)).astype(np.uint8)
    assert measure(noise).tone.shape == (2,)


def test_a_slope_is_what_is_kept_of_a_difference():
    against = np.array([1.0, 4.0, -2.0, 8.0])
    assert slope(0.3 * against + 5, against) == pytest.approx(0.3)
    assert slope(np.full(4, 7.0), against) == pytest.approx(0)
    assert slope(against, np.ones(4)) == 0


def test_a_bootstrap_is_over_people():
    values = np.arange(100.0)
    figure = estimate_statistic(lambda drawn: float(values[drawn].mean()), 100)
    assert (figure.value, figure.identities) == (49.5, 100)
    # The mean's standard error, by the deviation over the root of the count.
    assert (figure.high - figure.low) / 2 == pytest.approx(1.96 * values.std() / 10, rel=0.1)


def test_photographs_keep_all_of_themselves_and_a_mean_nothing():
    pictures = np.random.default_rng(0).integers(0, 255, (4, 1, 1, 3)) + np.zeros((1, 112, 112, 1), np.int64)
    photographs = measure(pictures.astype(np.uint8))
    own = row(photographs, photographs)
    assert (own["skin: distance"].value, own["skin: kept"].value) == (0, pytest.approx(1))
    assert (own["fringes"].value, own["fine lines"].value) == pytest.approx((0, 0), abs=1e-6)
    assert own["more faces"].value == 0
    mean = Measured(*(np.full(4, getattr(photographs, name).mean()) for name in vars(photographs)))
    assert row(mean, photographs)["skin: kept"].value == pytest.approx(0)


def test_the_first_sample_of_each_photograph_is_read(tmp_path):
    shades = np.arange(3, dtype=np.uint8)
    for shade in shades:
        write_png(tmp_path / f"{shade}.png", np.full((112, 112, 3), shade))
    samples = [{"input": name, "image": f"{shade}.png"} for name, shade in zip("aab", shades, strict=True)]
    result = {"inputs": {"photographs": ["a", "b"]}, "samples": samples}
    (tmp_path / "result.json").write_text(json.dumps(result))
    assert {name: int(picture.max()) for name, picture in read_pictures(tmp_path).items()} == {"a": 0, "b": 2}


def test_results_of_other_people_are_not_compared(tmp_path):
    write_png(tmp_path / "0.png", np.zeros((112, 112, 3), np.uint8))
    for folder, names in (("one", "ab"), ("same", "ab"), ("other", "ac")):
        samples = [{"input": name, "image": "../0.png"} for name in names]
        (tmp_path / folder).mkdir()
        result = json.dumps({"inputs": {"photographs": list(names)}, "samples": samples})
        (tmp_path / folder / "result.json").write_text(result)
    one, same, other = (tmp_path / name for name in ("one", "same", "other"))
    assert [list(found) for found in read_same_people([one, same]).values()] == [["a", "b"]] * 2
    with pytest.raises(InputError, match=r"other: expected pictures of the same people as .*one, got others"):
        read_same_people([one, other])


def test_what_is_no_result_of_photographs_is_refused(tmp_path):
    for content in ("", "[]", '{"inputs": {"class_ids": [1]}}'):
        (tmp_path / "result.json").write_text(content)
        with pytest.raises(InputError, match="expected the result of 'arcinvert from-image'"):
            read_pictures(tmp_path)


def test_a_person_without_another_photograph_is_refused(tmp_path):
    person = tmp_path / "Ann"
    person.mkdir()
    write_png(person / "Ann_0001.png", np.zeros((112, 112, 3), np.uint8))
    with pytest.raises(InputError, match="expected another photograph of the person"):
        next(other_faces(person / "Ann_0001.png", tmp_path))
    for number in (2, 3):
        write_png(person / f"Ann_000{number}.png", np.full((112, 112, 3), number, np.uint8))
    assert [face.max() for face in other_faces(person / "Ann_0001.png", tmp_path)] == [2, 3]


def test_classes_of_skin_by_hand():
    photographs, pictures = np.array([-40.0, 0.0, 20.0, 60.0]), np.array([-31.0, 11.0, 20.0, 50.0])
    # Dark and dark, brown and tan, tan and tan, very light and light.
    assert same_class(pictures, photographs).tolist() == [True, False, True, False]
    # Of 16 pairs: one dark, and two of tan with one.
    assert class_by_chance(pictures, photographs) == pytest.approx(3 / 16)
    # An average of everybody tells nothing: it is right as often as chance is.
    average = np.full(4, 20.0)
    assert same_class(average, photographs).mean() == class_by_chance(average, photographs) == 0.25


def test_a_photograph_of_a_result_is_found_in_the_folder_of_people(tmp_path):
    for person in ("Ann", "Bob"):
        (tmp_path / person).mkdir()
        write_png(tmp_path / person / f"{person}_0001.png", np.zeros((112, 112, 3), np.uint8))
        write_png(tmp_path / person / "same.png", np.zeros((112, 112, 3), np.uint8))
    # Results of several people name the folder, those of one person do not.
    for name in ("Ann/Ann_0001.png", "Ann_0001.png"):
        assert source_of(name, tmp_path) == tmp_path / "Ann" / "Ann_0001.png"
    for name in ("same.png", "Cat_0001.png"):
        with pytest.raises(InputError, match="expected one photograph of that name"):
            source_of(name, tmp_path)
