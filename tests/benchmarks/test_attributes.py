"""Attributes: the yaw of turned points, groups, and labels of a file."""

import numpy as np
import pytest

from benchmarks.attributes import (
    MODEL_POINTS,
    YAW_NAMES,
    in_groups,
    labelled,
    pose_groups,
    read_labels,
    skin_groups,
    yaw_in_crop,
    yaw_of,
)
from recognition.errors import InputError
from recognition.skin import CLASSES


def turned(yaw, pitch, scale):
    """Return the points of the model head after a nod and a turn in degrees, without perspective."""
    yaw, pitch = np.radians([yaw, pitch])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
    return scale * (MODEL_POINTS @ (about_y @ about_x).T)[:, :2] + (56, 70)


@pytest.mark.parametrize("yaw", [-40, -12, 0, 7, 30])
@pytest.mark.parametrize(("pitch", "scale"), [(0, 1.0), (15, 0.4), (-20, 3.0)])
def test_the_yaw_of_a_turned_head_is_found(yaw, pitch, scale):
    assert yaw_of(turned(yaw, pitch, scale)) == pytest.approx(yaw, abs=1e-6)


def test_a_mirrored_face_has_the_opposite_yaw(astronaut_crop):
    yaw = yaw_in_crop(astronaut_crop)
    mirrored = yaw_in_crop(np.ascontiguousarray(astronaut_crop[:, ::-1]))
    assert abs(yaw) > 3
    assert mirrored == pytest.approx(-yaw, abs=8)
    assert np.sign(mirrored) == -np.sign(yaw)
    assert yaw_in_crop(np.zeros((112, 112, 3), dtype=np.uint8)) is None


def test_groups_have_their_edges_and_their_order():
    assert pose_groups([0, -9.9, 10, -24, 25, None]) == [
        YAW_NAMES[0],
        YAW_NAMES[0],
        YAW_NAMES[1],
        YAW_NAMES[1],
        YAW_NAMES[2],
        None,
    ]
    assert skin_groups([-31, -29, 11, 29, 42, 56]) == list(CLASSES)
    values = ["b", None, "c", "a", "b"]
    assert in_groups(values) == {"a": [3], "b": [0, 4], "c": [2]}
    assert list(in_groups(values, ["c", "x", "b"])) == ["c", "b", "a"]


def test_labels_are_read_by_attribute_and_person(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("identity,sex,age\nAnn,female,41\nBob,male,\nCat, female ,a child\nDan,,19\n")
    labels = read_labels(path)
    assert labels == {
        "sex": {"Ann": "female", "Bob": "male", "Cat": "female"},
        "age": {"Ann": "40 to 59", "Cat": "a child", "Dan": "below 20"},
    }
    assert labelled(labels["age"], ["Dan", "Bob", "Ann"]) == ["below 20", None, "40 to 59"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the column identity.*got none"),
        ("name,sex\nAnn,female\n", "expected the column identity.*got name, sex"),
        ("identity\nAnn\n", "expected the column identity and others"),
        ("identity,sex\nAnn,female\nAnn,male\n", "expected each identity once, got 'Ann' again"),
    ],
)
def test_other_files_are_refused(text, message, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_labels(path)
