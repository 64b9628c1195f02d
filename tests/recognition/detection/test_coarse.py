"""The search in smaller copies: the faces that the detector finds in the photograph itself."""

import numpy as np
import pytest
from PIL import Image
from skimage import data

from recognition.detection import search
from recognition.detection.alignment import Face, detect
from recognition.detection.coarse import BOX_SIDE, CoarseFaces, coarse_faces
from recognition.detection.search import find_face

POINTS = np.array([(30, 40), (70, 40), (50, 60), (35, 80), (65, 80)], dtype=np.float64)


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    """The head of the photograph of the astronaut, 250x250, with a face of half that side."""
    return resized(data.astronaut()[30:210, 136:316], 250)


def resized(photograph: np.ndarray, side: int) -> np.ndarray:
    return np.asarray(Image.fromarray(photograph).resize((side, side), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("side", [250, 300, 512, 1400])
def test_a_box_of_a_copy_is_the_box_of_the_photograph_bit_for_bit(head: np.ndarray, side: int) -> None:
    photograph = resized(head, side)
    (usual,) = detect(photograph)
    coarse = next(coarse_faces(photograph))
    (face,), (ambiguous,) = coarse.faces, coarse.ambiguous
    assert not ambiguous
    assert face.box == usual.box
    assert face.score == usual.score
    assert np.array_equal(face.points, usual.points)


def test_a_large_face_is_found_without_a_search_of_the_photograph(
    head: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = detect(head)[0]
    monkeypatch.setattr(search, "detect", None)
    for pick in ("largest", "central"):
        assert np.array_equal(find_face(head, name="head", pick=pick).points, usual.points)


def test_a_face_away_from_the_middle_may_not_be_the_most_central_one(
    head: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    photograph = np.full((300, 600, 3), 120, dtype=np.uint8)
    photograph[:250, :250] = head
    searched = []
    monkeypatch.setattr(search, "detect", lambda image: searched.append(image) or detect(image))
    monkeypatch.setattr(
        search, "coarse_faces", lambda image: [CoarseFaces(detect(image), [False] * len(detect(image)))]
    )
    find_face(photograph, name="corner", pick="largest")
    assert not searched
    find_face(photograph, name="corner", pick="central")
    assert len(searched) == 1


@pytest.mark.parametrize(
    ("ambiguous", "score", "points"),
    [(True, 2.0, POINTS), (False, search.SURE_SCORE - 0.01, POINTS), (False, 2.0, POINTS[::-1])],
)
def test_the_photograph_is_searched_where_a_copy_does_not_decide(
    ambiguous: bool, score: float, points: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Face((0, 0, 100, 100), points, score)
    finer = Face((2, 2, 96, 96), POINTS, 2.0)
    monkeypatch.setattr(search, "coarse_faces", lambda photograph: [CoarseFaces([found], [ambiguous])])
    monkeypatch.setattr(search, "detect", lambda photograph: [finer])
    photograph = np.zeros((100, 100, 3), dtype=np.uint8)
    assert find_face(photograph, name="photograph") is finer
    monkeypatch.setattr(
        search, "coarse_faces", lambda photograph: [CoarseFaces([Face(found.box, POINTS, 2.0)], [False])]
    )
    assert find_face(photograph, name="photograph") is not finer


@pytest.mark.parametrize(("side", "ambiguous"), [(540, False), (350, True)])
def test_a_face_of_the_smallest_size_of_a_copy_is_ambiguous(
    head: np.ndarray, side: int, ambiguous: bool
) -> None:
    photograph = np.full((600, 600, 3), 120, dtype=np.uint8)
    photograph[:side, :side] = resized(head, side)
    (face,) = (coarse := next(coarse_faces(photograph))).faces
    # The copy is the photograph less six sizes, 201 pixels.
    smallest = BOX_SIDE * (6 / 5) ** 6
    assert (face.box[2] - face.box[0] < 1.1 * smallest) is ambiguous
    assert coarse.ambiguous == [ambiguous]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 3000), (50, 900), (200, 200)])
def test_a_small_or_narrow_photograph_has_no_copies_with_faces(height: int, width: int) -> None:
    assert not any(coarse.faces for coarse in coarse_faces(np.zeros((height, width, 3), dtype=np.uint8)))
