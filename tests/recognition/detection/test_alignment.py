import numpy as np
import pytest
from PIL import Image

from recognition.detection.alignment import (
    ALIGNED_SIZE,
    REFERENCE_POINTS,
    Face,
    crop_at,
    detect,
    face_detector,
    five_points,
    has_face,
    similarity_transform,
    warp,
)
from recognition.detection.search import find_face
from recognition.errors import InputError, NoFaceError
from recognition.images import read_image

IDENTITY = np.array([[1.0, 0, 0], [0, 1, 0]])


def similarity(scale: float, degrees: float, shift: tuple[float, float]) -> np.ndarray:
    angle = np.deg2rad(degrees)
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    return np.array([[a, -b, shift[0]], [b, a, shift[1]]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ matrix[:, :2].T + matrix[:, 2]


def waves(height: int, width: int, period: float) -> np.ndarray:
    """Return a sine of x in the red channel and of y in the green one; `period` is in pixels."""
    image = np.zeros((height, width, 3))
    image[..., 0] = np.sin(2 * np.pi / period * np.arange(width))[None, :]
    image[..., 1] = np.sin(2 * np.pi / period * np.arange(height))[:, None]
    return (127.5 + 100 * image).round().astype(np.uint8)


@pytest.fixture(scope="module")
def portrait(astronaut) -> np.ndarray:
    """Head and shoulders, 260x280 pixels; below them the detector mistakes a badge for a face."""
    return astronaut[:260, 90:370]


@pytest.fixture(scope="module")
def two_faces(portrait) -> np.ndarray:
    """The portrait at 0.8 of its size near the middle, and at full size at the right."""
    photograph = np.full((300, 900, 3), 255, dtype=np.uint8)
    photograph[40:248, 300:524] = np.asarray(Image.fromarray(portrait).resize((224, 208)))
    photograph[20:280, 600:880] = portrait
    return photograph


@pytest.mark.parametrize(
    ("scale", "degrees", "shift"), [(1, 0, (0, 0)), (0.3, 25, (-7, 12)), (4, -170, (1e3, -5))]
)
def test_similarity_transform_recovers_a_known_one(scale, degrees, shift):
    known = similarity(scale, degrees, shift)
    found = similarity_transform(REFERENCE_POINTS, apply(known, REFERENCE_POINTS))
    np.testing.assert_allclose(found, known, atol=1e-9)


def test_similarity_transform_is_least_squares_among_similarities():
    generator = np.random.default_rng(0)
    source = generator.normal(size=(5, 2)) * 30
    target = apply(similarity(0.7, 15, (3, 4)), source) + generator.normal(size=(5, 2)) * 5
    best = similarity_transform(source, target)
    least = ((apply(best, source) - target) ** 2).sum()
    assert best[0, 0] == best[1, 1]
    assert best[0, 1] == -best[1, 0]
    for size in (1e-4, 1e-2, 1.0):
        for _ in range(50):
            a, b, x, y = generator.normal(size=4) * size
            other = best + np.array([[a, -b, x], [b, a, y]])
            assert ((apply(other, source) - target) ** 2).sum() > least


def test_similarity_transform_does_not_mirror():
    mirrored = REFERENCE_POINTS * (-1, 1)
    found = similarity_transform(REFERENCE_POINTS, mirrored)
    assert np.linalg.det(found[:, :2]) >= 0


@pytest.mark.parametrize(("point", "count"), [(0.0, 5), (100.5, 5), (0.1, 3), (1 / 3, 5), (203.7, 5)])
def test_coincident_points_are_refused(point, count):
    points = np.full((count, 2), point)
    with pytest.raises(InputError, match="expected distinct points, got one point repeated"):
        similarity_transform(points, REFERENCE_POINTS[:count])


def test_identity_warp_reproduces_the_image():
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    assert np.array_equal(warp(image, IDENTITY), image)


def test_warp_shifts_by_whole_pixels():
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    crop = warp(image, np.array([[1.0, 0, 5], [0, 1, 3]]), 40)
    assert crop.shape == (40, 40, 3)
    assert np.array_equal(crop[3:, 5:], image[:37, :35])
    assert not crop[:3].any()
    assert not crop[:, :5].any()


def test_warp_rotates_from_source_to_crop():
    image = np.random.default_rng(0).integers(0, 256, (21, 21, 3), dtype=np.uint8)
    # A quarter turn about the middle takes (x, y) to (20 - y, x).
    crop = warp(image, np.array([[0.0, -1, 20], [1, 0, 0]]), 21)
    assert np.array_equal(crop, np.rot90(image, -1))


@pytest.mark.parametrize("scale", [2.0, 0.9, 0.45, 0.2, 0.0731])
def test_warp_samples_where_the_matrix_says(scale):
    height, width, size = 1500, 2000, 64
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix = similarity(scale, 10, (0, 0))
    matrix[:, 2] = (size - 1) / 2 - matrix[:, :2] @ middle
    period = 16 / scale
    crop = warp(waves(height, width, period), matrix, size) - 127.5
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    positions = (np.stack([x, y], axis=-1) - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    phases = 2 * np.pi / period * positions
    # Demodulated by the expected phase, a wave keeps its displacement only.
    left = (crop[..., :2] * np.exp(-1j * phases)).sum((0, 1)) * 1j
    displacement = np.angle(left) / (2 * np.pi) * 16
    assert (np.abs(left) > 0.5 * 50 * size**2).all()
    np.testing.assert_allclose(displacement, 0, atol=0.05)


def test_a_shrinking_warp_does_not_alias():
    stripes = np.zeros((1000, 1000, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    crop = warp(stripes, similarity(0.1, 0, (0, 0)), 96)
    assert np.abs(crop[4:-4, 4:-4].astype(float) - 127.5).max() < 40


def test_five_points_of_68_landmarks():
    landmarks = np.random.default_rng(0).normal(size=(68, 2))
    points = five_points(landmarks)
    assert points.shape == (5, 2)
    np.testing.assert_allclose(points[0], sum(landmarks[index] for index in range(36, 42)) / 6)
    np.testing.assert_allclose(points[1], sum(landmarks[index] for index in range(42, 48)) / 6)
    np.testing.assert_array_equal(points[2:], landmarks[[30, 48, 54]])


def test_the_astronauts_face_is_found(astronaut):
    face = find_face(astronaut, name="astronaut")
    left, top, right, bottom = face.box
    # The face is between these pixels of the photograph.
    assert 150 < left < 200
    assert 60 < top < 110
    assert 240 < right < 290
    assert 150 < bottom < 200
    assert face.area == (right - left) * (bottom - top)
    left_eye, right_eye, nose, left_mouth, right_mouth = face.points
    assert left_eye[0] < nose[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_an_aligned_face_has_its_points_at_the_reference(astronaut):
    face = find_face(astronaut, name="astronaut")
    crop = crop_at(astronaut, face)
    assert crop.shape == (112, 112, 3)
    assert crop.dtype == np.uint8
    expected = apply(similarity_transform(face.points, REFERENCE_POINTS), face.points)
    zoom, border = 4, 100
    enlarged = np.full((112 * zoom + 2 * border,) * 2 + (3,), 127, dtype=np.uint8)
    enlarged[border:-border, border:-border] = np.asarray(Image.fromarray(crop).resize((112 * zoom,) * 2))
    found = (find_face(enlarged, name="crop").points - border + 0.5) / zoom - 0.5
    assert np.linalg.norm(found - expected, axis=1).max() < 2.5
    # She smiles more broadly than the reference face.
    assert np.linalg.norm(found - REFERENCE_POINTS, axis=1).max() < 9
    assert np.linalg.norm((found - REFERENCE_POINTS).mean(0)) < 1


def test_a_crop_of_another_size_shows_the_same_frame(astronaut):
    face = find_face(astronaut, name="astronaut")
    usual = crop_at(astronaut, face)
    larger, smaller = crop_at(astronaut, face, 224), crop_at(astronaut, face, 56)
    for image, other in ((larger, usual), (usual, smaller)):
        shrunk = Image.fromarray(image).resize(other.shape[:2], Image.Resampling.BOX)
        assert np.abs(np.asarray(shrunk).astype(float) - other).mean() < 5
        moved = np.roll(shrunk, 1, axis=1).astype(float)
        assert np.abs(moved - other).mean() > 8


def test_crop_at_puts_the_points_at_the_reference_of_any_size():
    points = apply(similarity(1.7, -20, (90, 60)), REFERENCE_POINTS)
    face = Face((0, 0, 1, 1), points)
    photograph = np.zeros((400, 400, 3), dtype=np.uint8)
    for x, y in points.round().astype(int):
        photograph[y - 2 : y + 3, x - 2 : x + 3] = 255
    for size in (56, ALIGNED_SIZE, 224):
        crop = crop_at(photograph, face, size)[..., 0].astype(float)
        grid = np.stack(np.meshgrid(np.arange(size), np.arange(size)), axis=-1)
        for point in (REFERENCE_POINTS + 0.5) * size / ALIGNED_SIZE - 0.5:
            near = (np.abs(grid - point) < 6 * size / ALIGNED_SIZE).all(-1)
            weights = crop * near
            middle = (grid * weights[..., None]).sum((0, 1)) / weights.sum()
            np.testing.assert_allclose(middle, point, atol=0.5 * max(1, size / ALIGNED_SIZE))


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_photograph_turned_by_its_exif_tag_gives_the_upright_crop(turns, astronaut, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = {1: 6, 2: 3, 3: 8}[turns]
    Image.fromarray(np.rot90(astronaut, turns)).save(tmp_path / "turned.png", exif=exif)
    turned = read_image(tmp_path / "turned.png")
    assert np.array_equal(
        crop_at(turned, find_face(turned, name="turned")),
        crop_at(astronaut, find_face(astronaut, name="upright")),
    )


@pytest.mark.parametrize("zoom", [8, 4, 0.5])
def test_a_photograph_of_another_size_has_its_face_at_the_same_position(zoom, portrait):
    size = (round(280 * zoom), round(260 * zoom))
    found = detect(np.asarray(Image.fromarray(portrait).resize(size)))
    assert len(found) == 1
    positions = (found[0].points + 0.5) / zoom - 0.5
    np.testing.assert_allclose(positions, detect(portrait)[0].points, atol=3)


def test_the_largest_face_comes_first(two_faces):
    faces = detect(two_faces)
    assert len(faces) == 2
    assert faces[0].area > faces[1].area
    assert find_face(two_faces, name="two").points[:, 0].min() > 600
    assert find_face(two_faces, name="two", face=2).points[:, 0].max() < 524


def test_the_most_central_face_may_be_picked(two_faces):
    assert find_face(two_faces, name="two", pick="central").points[:, 0].max() < 524
    assert find_face(two_faces, name="two", pick="central", face=2).points[:, 0].min() > 600


def test_a_photograph_without_a_face_is_refused():
    blank = np.full((200, 300, 3), 200, dtype=np.uint8)
    with pytest.raises(NoFaceError, match=r"blank\.png: expected a face, the detector found none"):
        find_face(blank, name="blank.png")


@pytest.mark.parametrize("face", [0, 2, -1])
def test_a_face_number_out_of_range_is_refused(face, astronaut):
    with pytest.raises(NoFaceError, match=f"expected face {face}, the detector found 1; choose --face"):
        find_face(astronaut, name="astronaut", face=face)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 3000), (5, 4)])
def test_a_tiny_photograph_has_no_face(height, width):
    assert detect(np.zeros((height, width, 3), dtype=np.uint8)) == []


def test_the_shipped_detector_is_dlibs_own(tmp_path):
    dlib = pytest.importorskip("dlib")
    dlib.get_frontal_face_detector().save(str(tmp_path / "own.svm"))
    face_detector().save(str(tmp_path / "shipped.svm"))
    assert (tmp_path / "shipped.svm").read_bytes() == (tmp_path / "own.svm").read_bytes()


@pytest.mark.parametrize("size", [80, 250, 512, 1500])
def test_a_photograph_has_a_face_where_one_is_detected(astronaut, size):
    for photograph in (astronaut, 255 - astronaut[::-1]):
        resized = np.array(Image.fromarray(np.ascontiguousarray(photograph)).resize((size, size)))
        assert has_face(resized) == bool(detect(resized))
    assert has_face(astronaut)
    assert not has_face(np.full((size, size, 3), 120, np.uint8))
