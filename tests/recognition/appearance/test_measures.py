"""Pose and expression by landmarks: a head that is turned by known angles, and a face drawn by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from recognition.appearance.measures import ATTRIBUTES, HEAD, RIGID, landmarks, measure, pose
from recognition.detection.alignment import (
    REFERENCE_POINTS,
    crop_at,
    detect,
    five_points,
    similarity_transform,
)
from recognition.errors import InputError


def turned(yaw: float, pitch: float, roll: float = 0.0) -> NDArray[np.float64]:
    """Return 68 landmarks, of which the rigid ones are the generic head's, seen from far away."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    points = np.zeros((68, 2))
    points[list(RIGID)] = (HEAD @ (about_z @ about_y @ about_x).T)[:, :2] * 4 + (56, 60)
    return points


@pytest.mark.parametrize("yaw", [-40.0, -15.0, 0.0, 30.0])
@pytest.mark.parametrize("pitch", [-20.0, 0.0, 10.0])
def test_the_pose_of_a_turned_head(yaw: float, pitch: float) -> None:
    assert pose(turned(yaw, pitch)) == pytest.approx((yaw, pitch), abs=1e-6)


def test_a_positive_yaw_is_to_the_right_of_the_picture_and_a_positive_pitch_is_up() -> None:
    # The tip of the nose, between its sides, is nearer to the camera than the corners of the eyes.
    def middle(points: NDArray[np.float64], numbers: list[int]) -> NDArray[np.float64]:
        return points[numbers].mean(0)

    right, up = turned(20, 0), turned(0, 15)
    level = turned(0, 0)
    nose, eyes = [31, 35], [36, 45]
    assert middle(right, nose)[0] > middle(right, eyes)[0]
    assert middle(up, nose)[1] - middle(up, eyes)[1] < middle(level, nose)[1] - middle(level, eyes)[1]


def drawn() -> NDArray[np.float64]:
    """Return landmarks with known distances: eyes 60 apart, lips 6, lids 4 of 16, mouth 30 wide, lifted 3."""
    points = turned(0, 0)
    points[36], points[39], points[42], points[45] = (26, 50), (42, 50), (70, 50), (86, 50)
    points[[37, 38]], points[[41, 40]] = [(31, 48), (37, 48)], [(31, 52), (37, 52)]
    points[[43, 44]], points[[47, 46]] = [(75, 48), (81, 48)], [(75, 52), (81, 52)]
    points[48], points[54] = (41, 87), (71, 87)
    points[51], points[57], points[62], points[66] = (56, 82), (56, 98), (56, 87), (56, 93)
    points[[61, 63]], points[[67, 65]] = [(52, 87), (60, 87)], [(52, 93), (60, 93)]
    return points


def test_the_numbers_of_a_drawn_face() -> None:
    numbers = dict(zip(ATTRIBUTES, measure(drawn()), strict=True))
    assert numbers["smile"] == pytest.approx((30 + 3) / 60)
    assert numbers["mouth"] == pytest.approx(6 / 60)
    assert numbers["eyes"] == pytest.approx(4 / 16)


def test_expressions_depend_neither_on_size_nor_on_roll() -> None:
    angle = np.radians(25)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = 1.7 * drawn() @ rotation.T + (3, -8)
    np.testing.assert_allclose(measure(moved)[2:], measure(drawn())[2:])


def test_landmarks_on_a_crop_lie_where_the_alignment_put_them(astronaut: NDArray[np.uint8]) -> None:
    face = detect(astronaut)[0]
    crop = crop_at(astronaut, face)
    found = five_points(landmarks(crop))
    matrix = similarity_transform(face.points, REFERENCE_POINTS)
    assert np.abs(found - (face.points @ matrix[:, :2].T + matrix[:, 2])).mean() < 1.5
    # The mirror image has the mirrored pose, up to the predictor's noise.
    yaw, mirrored = (pose(landmarks(one))[0] for one in (crop, np.ascontiguousarray(crop[:, ::-1])))
    assert yaw == pytest.approx(-mirrored, abs=6)


def test_another_size_is_refused() -> None:
    with pytest.raises(InputError, match=r"face: expected an aligned crop of 112x112 RGB pixels, got shape"):
        landmarks(np.zeros((250, 250, 3), np.uint8))
