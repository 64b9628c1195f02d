import csv

import cv2
import numpy as np
import pytest

from recognition.checkpoint import load_recogniser
from recognition.detection import tracking
from recognition.detection.tracking import IdentityTracker, track
from recognition.errors import InputError


def unit(*values: float) -> np.ndarray:
    return np.array(values) / np.linalg.norm(values)


def test_a_face_gets_the_number_of_its_identity():
    identities = IdentityTracker(0.7)
    ann, bob = unit(1, 0, 0), unit(0, 1, 0)
    assert [number for number, _ in identities.assign(np.stack([ann, bob]))] == [1, 2]
    assert [number for number, _ in identities.assign(np.stack([bob, ann]))] == [2, 1]
    ((number, similarity),) = identities.assign(unit(1, 0.2, 0)[None])
    assert number == 1
    assert similarity == pytest.approx(1 / np.sqrt(1.04))
    assert identities.assign(unit(0, 0, 1)[None]) == [(3, 1.0)]


def test_two_faces_of_one_frame_are_two_identities():
    identities = IdentityTracker(0.5)
    identities.assign(unit(1, 0)[None])
    assert [number for number, _ in identities.assign(np.stack([unit(1, 0.3), unit(1, 0.1)]))] == [2, 1]


def test_a_frame_without_faces_changes_nothing():
    identities = IdentityTracker(0.5)
    assert identities.assign(np.zeros((0, 4))) == []
    assert identities.templates == []


@pytest.fixture(scope="module")
def film(astronaut, tmp_path_factory):
    """Six frames at 10 per second: the moving astronaut in four of them, then no face."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (320, 240))
    assert writer.isOpened()
    face = astronaut[0:240, 90:350][:, :, ::-1]
    for frame in range(6):
        picture = np.full((240, 320, 3), 127, dtype=np.uint8)
        if frame < 4:
            picture[:, 10 * frame : 10 * frame + 260] = face
        writer.write(picture)
    writer.release()
    return path


def test_faces_are_tracked_through_a_film(film, tiny_model, tmp_path):
    result = track(load_recogniser(tiny_model), str(film), tmp_path / "out", threshold=0.0)
    assert (result.frames, result.appearances, result.identities, result.interrupted) == (6, 4, 1, False)
    with (tmp_path / "out/appearances.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["frame"], row["seconds"], row["identity"]) for row in rows] == [
        *(("0", "0.0", "1"), ("1", "0.1", "1")),
        *(("2", "0.2", "1"), ("3", "0.3", "1")),
    ]
    lefts = [float(row["left"]) for row in rows]
    assert lefts == sorted(lefts)
    assert lefts[-1] - lefts[0] == pytest.approx(30, abs=12)
    marked = cv2.VideoCapture(str(tmp_path / "out/marked.mp4"))
    assert marked.get(cv2.CAP_PROP_FRAME_COUNT) == 6
    original = cv2.VideoCapture(str(film))
    first, first_marked = original.read()[1], marked.read()[1]
    assert np.abs(first.astype(int) - first_marked).max() > 60, "the face is marked"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["appearances.csv", "marked.mp4"]


def test_frames_may_be_skipped_and_limited(film, tiny_model, tmp_path):
    recogniser = load_recogniser(tiny_model)
    assert track(recogniser, str(film), tmp_path / "a", threshold=0.0, every=2).frames == 3
    assert track(recogniser, str(film), tmp_path / "b", threshold=0.0, most_frames=2).frames == 2
    marked = cv2.VideoCapture(str(tmp_path / "a/marked.mp4"))
    assert marked.get(cv2.CAP_PROP_FPS) == pytest.approx(5)


def test_small_faces_are_searched_for_unless_the_user_declines(film, tiny_model, tmp_path, monkeypatch):
    options = []
    monkeypatch.setattr(tracking, "upright_faces", lambda frame, **given: options.append(given) or [])
    recogniser = load_recogniser(tiny_model)
    track(recogniser, str(film), tmp_path / "a", threshold=0.0, most_frames=1)
    track(recogniser, str(film), tmp_path / "b", threshold=0.0, most_frames=1, small=False, detector="cnn")
    assert options == [{"small": True, "detector": "hog"}, {"small": False, "detector": "cnn"}]


def test_ctrl_c_keeps_the_frames_so_far(film, tiny_model, tmp_path, monkeypatch):
    found = []

    def detect(frame, **options):
        if len(found) == 2:
            raise KeyboardInterrupt
        found.append(frame)
        return []

    monkeypatch.setattr(tracking, "upright_faces", detect)
    result = track(load_recogniser(tiny_model), str(film), tmp_path / "out", threshold=0.0)
    assert (result.frames, result.interrupted) == (2, True)
    assert cv2.VideoCapture(str(tmp_path / "out/marked.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 2


def test_other_files_are_refused_as_films(tiny_model, tmp_path):
    recogniser = load_recogniser(tiny_model)
    (tmp_path / "text.mp4").write_text("no film")
    for name, message in (
        ("none.mp4", "found no such file"),
        ("text.mp4", "expected a film that"),
    ):
        with pytest.raises(InputError, match=message):
            track(recogniser, str(tmp_path / name), tmp_path / "out", threshold=0.5)
    with pytest.raises(InputError, match="expected a camera of this number, found none"):
        track(recogniser, "87", tmp_path / "out", threshold=0.5)
    assert not (tmp_path / "out").exists()


def test_options_out_of_range_are_refused(film, tiny_model, tmp_path):
    recogniser = load_recogniser(tiny_model)
    with pytest.raises(InputError, match="threshold: expected a similarity from -1 to 1, got 2"):
        track(recogniser, str(film), tmp_path / "out", threshold=2)
    with pytest.raises(InputError, match="every: expected 1 or more, got 0"):
        track(recogniser, str(film), tmp_path / "out", threshold=0.5, every=0)
    with pytest.raises(InputError, match="frames: expected 1 or more, got 0"):
        track(recogniser, str(film), tmp_path / "out", threshold=0.5, most_frames=0)


def test_an_output_that_is_no_folder_is_refused(film, tiny_model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        track(load_recogniser(tiny_model), str(film), tmp_path / "file/out", threshold=0.5)


def test_identities_without_end_are_refused(monkeypatch):
    """A film of noise could fill the memory with templates."""
    monkeypatch.setattr(tracking, "MAX_IDENTITIES", 3)
    tracker = tracking.IdentityTracker(0.5)
    tracker.assign(np.eye(5)[:3])
    assert [number for number, _ in tracker.assign(np.eye(5)[:3])] == [1, 2, 3]
    with pytest.raises(InputError, match=r"expected at most 3 identities, got more at threshold 0\.5; use a"):
        tracker.assign(np.eye(5)[3:])
