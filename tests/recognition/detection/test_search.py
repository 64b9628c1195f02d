"""Faces that the usual detector misses: turned, small, and hard ones."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from recognition.detection import search
from recognition.detection.alignment import Face, crop_at, detect
from recognition.detection.search import (
    find_face,
    find_faces,
    is_upright,
    merged,
    turned_photograph,
    upright_faces,
)
from recognition.errors import InputError, NoFaceError
from recognition.options import Detector

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


@pytest.mark.parametrize("turn", [0, 4])
def test_the_most_central_face_may_be_a_small_one(
    astronaut: np.ndarray, turn: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = np.full((400, 640, 3), 120, dtype=np.uint8)
    group[10:250, 0:240] = np.asarray(Image.fromarray(astronaut).resize((240, 240)))
    # The face is two fifths of the photograph: 95 and 45 pixels, of which the second is in the middle.
    group[145:255, 265:375] = np.asarray(Image.fromarray(astronaut).resize((110, 110)))
    monkeypatch.setattr(search, "SMALL_FACES_SIDE", 1280)
    photograph = turned_photograph(group, turn)
    small, large = (find_face(photograph, name="group", pick="central", face=number) for number in (1, 2))
    assert np.linalg.norm(small.points.mean(0) - (320, 200)) < 40
    assert np.linalg.norm(large.points.mean(0) - (320, 200)) > 150
    assert large.area > 3 * small.area
    assert find_face(photograph, name="group").box == large.box


def test_small_faces_are_not_searched_for_around_a_central_face(
    astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "_small_faces", None)
    assert find_face(astronaut, name="head", pick="central").area > 80**2
    # Not in the smaller copies that are searched first.
    monkeypatch.setattr(search, "_coarse_face", lambda photograph, pick: None)
    assert find_face(astronaut, name="head", pick="central").area > 80**2


def test_the_convolutional_detector_finds_turned_faces_too(
    astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = np.ascontiguousarray(astronaut[60:210, 60:210])
    (usual,) = detect(head)
    monkeypatch.setattr(search, "hog_faces", lambda image: [])
    (face,) = find_faces(turned_photograph(head, 4))
    assert face.turn == 4
    assert face.score > search.SURE_CONFIDENCE
    wanted = np.array(head.shape[1::-1]) - 1 - usual.points
    assert np.abs(face.points - wanted).max() < 8


def test_a_slanted_face_is_not_certain() -> None:
    def slanted(degrees: float) -> Face:
        angle = np.deg2rad(degrees)
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return Face((0, 0, 100, 100), (POINTS - 50) @ rotation.T + 50, 2.0)

    assert search.is_certain([slanted(10)])
    assert search.is_certain([slanted(-10), slanted(30)])
    assert not search.is_certain([slanted(20)])
    assert not search.is_certain([slanted(-20)])


@pytest.mark.parametrize("degrees", [30, 35])
def test_a_slanted_face_is_searched_for_in_its_own_turn(astronaut: np.ndarray, degrees: int) -> None:
    """The usual detector is sure of it as it is, with landmarks that are pixels away."""
    turned = np.asarray(Image.fromarray(astronaut).rotate(-degrees, Image.Resampling.BILINEAR, expand=True))
    face = find_face(turned, name="slanted")
    angle = np.deg2rad(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    before, after = (np.array(image.shape[1::-1]) / 2 - 0.5 for image in (astronaut, turned))
    wanted = (find_face(astronaut, name="head").points - before) @ rotation.T + after
    assert np.abs(face.points - wanted).max() < 2.5
    assert np.abs(detect(turned)[0].points - wanted).max() > 3.5


def test_films_have_small_faces_too_but_no_turned_ones(astronaut: np.ndarray) -> None:
    group = np.full((400, 560, 3), 120, dtype=np.uint8)
    group[:380, :380] = np.asarray(Image.fromarray(astronaut).resize((380, 380)))
    group[40:130, 430:520] = np.asarray(Image.fromarray(astronaut).resize((90, 90)))
    assert len(upright_faces(group)) == 1
    assert len(upright_faces(group, small=True)) == 2
    assert upright_faces(np.ascontiguousarray(astronaut[::-1])) == []


def test_the_convolutional_detector_adds_faces_on_request(
    astronaut: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    again, another = at(70, 70, 110), at(180, 10, 60)
    searched = []

    def convolutional(photograph: np.ndarray, turn: int, *, convolutional: bool = False) -> list[Face]:
        searched.append((turn, convolutional))
        return [again, another]

    monkeypatch.setattr(search, "turned_faces", convolutional)
    (usual,) = find_faces(astronaut)
    assert searched == []
    first, second = find_faces(astronaut, detector="cnn")
    assert searched == [(0, True)]
    assert np.array_equal(first.points, usual.points)
    assert np.array_equal(second.points, another.points)
    assert find_face(astronaut, name="head", face=2, detector="cnn").box == another.box


@pytest.mark.parametrize("detector", ["hog", "cnn"])
def test_the_convolutional_detector_searches_a_photograph_once(detector, monkeypatch) -> None:
    searched = []

    def in_boxes(photograph: np.ndarray, boxes: list, scores: list) -> list[Face]:
        searched.append(photograph.shape)
        return []

    monkeypatch.setattr(search, "faces_in_boxes", in_boxes)
    assert find_faces(np.full((80, 90, 3), 127, dtype=np.uint8), detector=detector) == []
    assert searched == [(80, 90, 3)]


def test_the_convolutional_detector_finds_the_face_too(astronaut: np.ndarray) -> None:
    (usual,) = detect(astronaut)
    (face,) = search.turned_faces(astronaut, 0, convolutional=True)
    assert np.abs(face.points - usual.points).max() < 8


@pytest.mark.parametrize("function", [find_faces, upright_faces])
def test_an_unknown_detector_is_refused(function) -> None:
    with pytest.raises(InputError, match="detector: expected one of hog, cnn, got 'mtcnn'"):
        function(np.zeros((9, 9, 3), dtype=np.uint8), detector="mtcnn")


def test_an_uncertain_face_is_kept_unless_a_turned_one_is_surer(monkeypatch: pytest.MonkeyPatch) -> None:
    photograph = np.zeros((100, 200, 3), dtype=np.uint8)
    uncertain = [at(0, 0, 50, 0.3)]
    turned = {140: [at(0, 0, 50, 0.2)], 200: [at(0, 0, 70, 0.9)]}
    searched = []

    def of_turn(image: np.ndarray, turn: int) -> list[Face]:
        searched.append((image.shape[1], turn))
        return turned[image.shape[1]] if turn == 2 else []

    monkeypatch.setattr(search, "turned_faces", of_turn)
    (found,), _ = search.search_further(photograph, uncertain)
    assert found.score == 0.9
    # All turns of a smaller copy, then those with a face.
    assert {turn for width, turn in searched if width == 140} == set(range(1, 8))
    assert [turn for width, turn in searched if width == 200] == [2]
    turned[200] = [at(0, 0, 70, 0.4)]
    assert search.search_further(photograph, uncertain) == (uncertain, False)
    turned[140] = []
    assert search.search_further(photograph, uncertain) == (uncertain, False)


def test_the_same_face_of_two_searches_is_one() -> None:
    first, again, other = at(0, 0, 100), at(3, -2, 95), at(200, 0, 150)
    assert merged([first], [again, other]) == [other, first]


@pytest.mark.parametrize("detector", ["hog", "cnn"])
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (5, 3000), (1, 6000), (3000, 20)])
def test_in_a_sliver_there_is_no_face(size: tuple[int, int], detector: Detector) -> None:
    with pytest.raises(NoFaceError):
        find_face(np.zeros((*size, 3), dtype=np.uint8), name="sliver", detector=detector)
