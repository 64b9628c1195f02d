"""Pose and expression of meshes that are turned and changed by known amounts."""

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.mesh_measures import Mesh

POINTS = 478


def head() -> NDArray[np.float64]:
    """Return a symmetric mesh, up to the landmarks that numbers are taken of, with its face to the camera."""
    generator = np.random.default_rng(0)
    half = generator.normal(0, 20, (POINTS // 2, 3))
    mesh = np.concatenate([half, half * (-1, 1, 1)])
    for left, right, point in (
        (234, 454, (-40, 0, 20)),
        (127, 356, (-39, -15, 20)),
        (93, 323, (-38, 15, 20)),
        (33, 263, (-30, -20, 0)),
        (133, 362, (-10, -20, 0)),
        (61, 291, (-15, 30, 0)),
        (160, 387, (-24, -23, 0)),
        (144, 373, (-24, -17, 0)),
        (158, 385, (-16, -23, 0)),
        (153, 380, (-16, -17, 0)),
        (82, 312, (-5, 28, -3)),
        (87, 317, (-5, 34, -3)),
    ):
        mesh[left], mesh[right] = point, np.array(point) * (-1, 1, 1)
    mesh[0], mesh[17], mesh[13], mesh[14] = (0, 25, -5), (0, 39, -5), (0, 28, -4), (0, 34, -4)
    return mesh


def turned(mesh: NDArray[np.float64], yaw: float, pitch: float = 0.0) -> NDArray[np.float64]:
    y, p = np.radians([yaw, pitch])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    return mesh @ (about_y @ about_x).T + (56, 56, 0)


def photographs() -> NDArray[np.float64]:
    """Return one head in poses that cancel out."""
    poses = [(-20.0, 0.0), (20.0, 0.0), (0.0, -5.0), (0.0, 5.0), (0.0, 0.0)]
    return np.stack([turned(head(), *pose) for pose in poses])


def test_poses_are_rotations() -> None:
    mesh = Mesh(photographs())
    found = mesh.measure(np.stack([turned(head(), 25.0, 0.0), turned(head(), -10.0, 8.0)]))
    assert found.yaw == pytest.approx([25, -10], abs=0.5)
    assert found.pitch == pytest.approx([0, 8], abs=0.5)


def test_expressions_are_distances_whatever_the_pose() -> None:
    mesh = Mesh(photographs())
    found = mesh.measure(np.stack([turned(head(), 0.0), turned(head(), 30.0, -5.0)]))
    # Eyes 60 apart; the mouth 30 wide with its corners 1.5 above the lips' middle of 31.5; lips 6 apart;
    # lids 6 of 20.
    assert found.smile == pytest.approx([(30 + 1.5) / 60] * 2, abs=0.01)
    assert found.mouth == pytest.approx([6 / 60] * 2, abs=0.005)
    assert found.eyes == pytest.approx([6 / 20] * 2, abs=0.005)


def test_faces_that_were_not_found_have_no_numbers_and_reach_nothing() -> None:
    mesh = Mesh(photographs())
    missing = np.full((1, POINTS, 3), np.nan)
    found = mesh.measure(missing)
    assert np.isnan(found.yaw).all()
    assert not mesh.reached("neutral", found).any()


def test_expressions_are_percentiles_of_photographs() -> None:
    def gaping(amount: float) -> NDArray[np.float64]:
        face = head()
        face[[14, 87, 317]] += (0, amount, 0)
        return turned(face, 0.0)

    mesh = Mesh(np.stack([gaping(amount) for amount in np.linspace(0, 10, 21)]))
    found = mesh.measure(np.stack([gaping(amount) for amount in (0.0, 5.0, 9.5)]))
    # Open is from the ninetieth percentile, 9.
    assert mesh.reached("open-mouth", found).tolist() == [False, False, True]
