"""Deformations fitted on faces whose landmarks are those of a head that was turned by known angles."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from recognition.appearance.change import SIDE
from recognition.appearance.fitting import LabelledFaces, drawn_faces, fit_deformations, flow, labelled
from recognition.appearance.measures import LANDMARKS_MIRRORED, landmarks, measure
from recognition.errors import InputError
from tests.recognition.conftest import write_people


def test_the_mirrored_landmarks_are_those_of_the_mirror_image(astronaut_crop: NDArray[np.uint8]) -> None:
    points = landmarks(astronaut_crop)
    mirrored = points[LANDMARKS_MIRRORED]
    mirrored[:, 0] = 111 - mirrored[:, 0]
    found = landmarks(np.ascontiguousarray(astronaut_crop[:, ::-1]))
    assert np.abs(found - mirrored).mean() < 2
    assert [LANDMARKS_MIRRORED[other] for other in LANDMARKS_MIRRORED] == list(range(68))


def test_a_flow_samples_where_the_points_were() -> None:
    line = np.linspace(20, 90, 6)
    before = np.array([(x, y) for x in line for y in line])
    found = flow(before, before + np.array([7.0, -3.5]))
    assert found.shape == (2, SIDE, SIDE)
    middle = found[:, SIDE // 2, SIDE // 2] * 112
    # Sampled from where they were: to the left and below.
    assert middle.tolist() == pytest.approx([-7.0, 3.5], abs=0.2)


def faces(astronaut_crop: NDArray[np.uint8]) -> LabelledFaces:
    """Return faces on turned spheres that smile, speak and blink; their pictures are alike."""
    generator = np.random.default_rng(0)
    points = landmarks(astronaut_crop)
    centre = points[27:36].mean(0)
    across, down = (points - centre).T
    near = np.sqrt(np.clip(60**2 - across**2 - down**2, 0, None))
    near[27:36] += 9
    found = []
    for _ in range(2500):
        turn, nod = np.radians(generator.normal(0, generator.choice([3, 20]), 2))
        right = across * np.cos(turn) + near * np.sin(turn)
        below = down * np.cos(nod) - near * np.sin(nod)
        face = np.stack([right, below], 1) + centre + generator.normal(0, 0.3, points.shape)
        face[[61, 62, 63], 1] -= generator.exponential(6)
        face[[48, 54]] += generator.exponential(8) * np.array([[-1, -1], [1, -1]])
        face[[37, 38, 43, 44], 1] += generator.uniform(-2, 1.5)
        found.append(face)
    pictures = torch.full((2500, 3, SIDE, SIDE), 0.5)
    return LabelledFaces(pictures, np.stack(found), [f"person {index // 3}" for index in range(2500)])


def test_a_wanted_yaw_moves_landmarks_as_far_as_those_of_faces_with_it(
    astronaut_crop: NDArray[np.uint8],
) -> None:
    given = faces(astronaut_crop)
    fitted = fit_deformations(given)
    yaws = np.array([measure(points)[0] for points in given.landmarks])
    tip = given.landmarks[:, 33, 0]
    slope = np.polyfit(yaws, tip, 1)[0]
    x, y = (int(value * SIDE / 112) for value in given.landmarks[:, 33].mean(0))
    moves = [-float(fitted.yaw.at(angle)[0, y, x]) * 112 for angle in (10.0, 20.0)]
    assert moves == pytest.approx([10 * slope, 20 * slope], rel=0.35)
    # All pictures are alike, so that no expression changes a colour.
    assert all(float(change.colours.abs().max()) < 1e-5 for change in fitted.expressions.values())


def test_too_few_turned_faces_are_refused(astronaut_crop: NDArray[np.uint8]) -> None:
    given = faces(astronaut_crop)
    yaws = np.array([measure(points)[0] for points in given.landmarks])
    frontal = np.abs(yaws) < 12
    few = LabelledFaces(given.pictures[frontal], given.landmarks[frontal], ["one"] * int(frontal.sum()))
    with pytest.raises(InputError, match=r"expected at least 10 turned to a yaw of \d+ degrees"):
        fit_deformations(few)


def test_people_and_photographs_that_are_kept_out_are_not_drawn(tmp_path: Path) -> None:
    folder = write_people(tmp_path / "faces", [f"P{number:02}" for number in range(12)], 10)
    drawn = drawn_faces(folder, None, seed=0, without=["P03"], reserved={"P05": "P05_0010.png"})
    assert len(drawn) == len(set(drawn)) == 109
    names = {path.parent.name for path in drawn}
    assert len(names) == 11
    assert "P03" not in names
    assert folder / "P05" / "P05_0010.png" not in drawn
    assert drawn_faces(folder, 20, seed=0, without=["P03"], reserved={"P05": "P05_0010.png"}) == drawn[:20]
    assert drawn_faces(folder, 20, seed=1) != drawn_faces(folder, 20, seed=0)


def test_too_few_faces_are_refused(people: Path) -> None:
    with pytest.raises(InputError, match=r"expected at least 100 photographs of faces to fit on, found 28"):
        drawn_faces(people, 500, seed=0)


def test_labels_come_from_landmarks(people: Path) -> None:
    paths = sorted(people.rglob("*.png"))[:2]
    given = labelled(paths)
    assert given.pictures.shape == (2, 3, SIDE, SIDE)
    assert given.landmarks.shape == (2, 68, 2)
    assert given.people == ["Person_00", "Person_00"]
