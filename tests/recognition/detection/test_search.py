"""Faces that the usual detector misses: turned, small, and hard ones."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from recognition.detection import search
from recognition.detection.alignment import Face, crop_at, detect
from recognition.detection.search import find_face, find_faces, is_upright, merged, turned_photograph
from recognition.errors import NoFaceError

POINTS = np.array([(30, 40), (70, 40), (50, 60), (35, 80), (65, 80)], dtype=np.float64)


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    """The head of the photograph of the astronaut, 256x256."""
    return np.ascontiguousarray(data.astronaut()[:256, 96:352])


def at(left: float, top: float, side: float, score: float = 1.0, turn: int = 0) -> Face:
    return Face((left, top, left + side, top + side), POINTS / 100 * side + (left, top), score, turn)


def test_a_face_that_is_found_as_usual_is_the_usual_one(
    astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "search_further", None)
    (usual,), (found,) = detect(astronaut), find_faces(astronaut)
    assert found.score > search.SURE_SCORE
    assert found.box == usual.box
    assert np.array_equal(found.points, usual.points)


@pytest.mark.parametrize("turn", [2, 4, 6])
def test_a_turned_photograph_gives_the_crop_of_the_upright_one(astronaut: np.ndarray, turn: int) -> None:
    turned = turned_photograph(astronaut, turn)
    assert np.array_equal(turned, np.rot90(astronaut, turn // 2))
    face = find_face(turned, name="turned")
    assert face.turn == 8 - turn
    wanted = crop_at(astronaut, find_face(astronaut, name="upright"))
    difference = np.abs(crop_at(turned, face).astype(float) - wanted)
    assert difference.mean() < 1


def test_a_slanted_photograph_gives_nearly_the_crop_of_the_upright_one(astronaut: np.ndarray) -> None:
    slanted = turned_photograph(astronaut, 3)
    face = find_face(slanted, name="slanted")
    wanted = crop_at(astronaut, find_face(astronaut, name="upright")).astype(float)
    difference = np.abs(crop_at(slanted, face).astype(float) - wanted)
    assert difference.mean() < 12 < np.abs(wanted - wanted[::-1]).mean()


@pytest.mark.parametrize("turn", range(8))
def test_points_of_a_turned_photograph_are_where_they_are_in_the_photograph(
    turn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    photograph = np.zeros((60, 90, 3), dtype=np.uint8)
    photograph[20, 70] = 255
    turned = turned_photograph(photograph, turn).astype(float).sum(2)
    rows, columns = np.indices(turned.shape)
    # The white pixel's centre of mass, as a face all of whose points are there.
    where = np.array([(turned * columns).sum(), (turned * rows).sum()]) / turned.sum()
    face = Face((where[0], where[1], where[0], where[1]), np.tile(where, (5, 1)))
    monkeypatch.setattr(search, "hog_faces", lambda image: [face])
    (found,) = search.turned_faces(photograph, turn)
    assert found.points[0] == pytest.approx((70, 20), abs=0.3)
    assert found.box == pytest.approx((70, 20, 70, 20), abs=0.3)
    assert found.turn == turn


def test_a_mouth_above_the_eyes_is_impossible() -> None:
    assert is_upright(at(0, 0, 100))
    assert not is_upright(Face((0, 0, 100, 100), POINTS[::-1]))
    # Upside down in the photograph, but found in one that was turned.
    assert is_upright(Face((0, 0, 100, 100), 100 - POINTS, 1.0, 4))


def test_a_hard_face_is_left_to_the_convolutional_detector(
    astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    (usual,) = detect(astronaut)
    monkeypatch.setattr(search, "detect", lambda photograph: [])
    monkeypatch.setattr(search, "turned_faces", lambda photograph, turn: [])
    (face,) = find_faces(astronaut)
    assert face.score > search.SURE_CONFIDENCE
    assert np.abs(face.points - usual.points).max() < 8


def test_a_large_and_two_small_faces(astronaut: np.ndarray) -> None:
    group = np.full((540, 960, 3), 120, dtype=np.uint8)
    large = np.asarray(Image.fromarray(astronaut).resize((380, 380)))
    # The face is two fifths of the photograph: 150, 35 and 35 pixels.
    small = np.asarray(Image.fromarray(astronaut).resize((90, 90)))
    group[100:480, 30:410] = large
    group[40:130, 500:590] = small
    group[300:390, 700:790] = small
    assert len(find_faces(group)) == 1
    faces = find_faces(group, small=True)
    assert len(faces) == 3
    assert np.array_equal(faces[0].points, detect(group)[0].points)
    middles = sorted(face.points.mean(0)[0] for face in faces[1:])
    assert 500 < middles[0] < 590
    assert 700 < middles[1] < 790
    assert find_face(group, name="group", face=3).area < 60**2
    with pytest.raises(NoFaceError, match="expected face 4, the detector found 3"):
        find_face(group, name="group", face=4)


def test_the_same_face_of_two_searches_is_one() -> None:
    first, again, other = at(0, 0, 100), at(3, -2, 95), at(200, 0, 150)
    assert merged([first], [again, other]) == [other, first]
