import json

import numpy as np
import pytest

from recognition.checkpoint import load_recogniser
from recognition.errors import InputError, NoFaceError
from recognition.gallery import Gallery, aligned_face, enrol, rank, side_by_side, templates
from recognition.images import read_image, to_tensor, write_png
from recognition.loading import load
from recognition.metrics.calibration import read_calibration
from recognition.recogniser import embed

POINT = {"threshold": 0.4, "fmr": 0.01, "realised_fmr": 0.0099, "tar": 0.7, "mated": 40, "nonmated": 3120}


def test_a_photograph_is_aligned_and_a_crop_is_itself(astronaut, people, tmp_path):
    write_png(tmp_path / "photo.png", astronaut)
    assert aligned_face(tmp_path / "photo.png").shape == (112, 112, 3)
    crop = people / "Person_00/Person_00_0001.png"
    np.testing.assert_array_equal(aligned_face(crop), read_image(crop))
    write_png(tmp_path / "grey.png", np.full((300, 300, 3), 127, dtype=np.uint8))
    with pytest.raises(NoFaceError, match="expected a face, the detector found none"):
        aligned_face(tmp_path / "grey.png")


def test_templates_are_flip_averaged_embeddings(tiny_model, people):
    recogniser = load_recogniser(tiny_model)
    crops = [read_image(path) for path in sorted((people / "Person_00").iterdir())]
    expected = np.concatenate([embed(recogniser, [to_tensor(crop)[None]]) for crop in crops])
    np.testing.assert_allclose(templates(recogniser, crops), expected, atol=1e-6)


def test_a_sheet_has_both_crops():
    first, second = (np.full((112, 112, 3), value, dtype=np.uint8) for value in (10, 200))
    sheet = side_by_side(first, second)
    assert sheet.shape == (128, 248, 3)
    assert (sheet == 10).sum() == (sheet == 200).sum() == 112 * 112 * 3


def test_a_gallery_of_folders_and_of_files(tiny_model, people, tmp_path):
    recogniser = load_recogniser(tiny_model)
    gallery = enrol(recogniser, people)
    assert len(gallery.identities) == 28
    assert gallery.templates.shape == (28, 32)
    write_png(tmp_path / "a.png", read_image(people / "Person_00/Person_00_0001.png"))
    write_png(tmp_path / "grey.png", np.full((300, 300, 3), 127, dtype=np.uint8))
    (tmp_path / "broken.jpg").write_bytes(b"no photograph")
    flat = enrol(recogniser, tmp_path)
    assert flat.identities == ("a",)
    assert [path.name for path in flat.left_out] == ["broken.jpg", "grey.png"]


def test_a_gallery_without_a_face_is_refused(tiny_model, tmp_path):
    write_png(tmp_path / "grey.png", np.full((300, 300, 3), 127, dtype=np.uint8))
    with pytest.raises(NoFaceError, match="expected photographs with a face"):
        enrol(load_recogniser(tiny_model), tmp_path)


def test_identities_are_ranked_by_their_best_photograph(tmp_path):
    entries = np.array([[0.6, 0.8], [1, 0], [0, 1], [-1, 0]], dtype=np.float32)
    paths = tuple(tmp_path / f"{n}.png" for n in range(4))
    gallery = Gallery(entries, ("b", "a", "b", "c"), paths, ())
    ranked = rank(np.array([0, 1], dtype=np.float32), gallery, top=2)
    assert [(match.identity, match.photograph.name) for match in ranked] == [("b", "2.png"), ("a", "1.png")]
    assert [match.similarity for match in ranked] == [1.0, 0.0]


def test_a_calibration_is_of_one_network(tiny_model, tmp_path):
    recogniser = load_recogniser(tiny_model)
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps({"points": [POINT], "model": recogniser.source.sha256}))
    assert read_calibration(recogniser, path).at(0.01).threshold == 0.4
    with pytest.raises(InputError, match=r"FMR: expected one that was calibrated \(0\.01\), got 0\.001"):
        read_calibration(recogniser, path).at(0.001)
    path.write_text(json.dumps({"points": [POINT], "model": "another"}))
    with pytest.raises(InputError, match="expected the calibration of tiny, got another network's"):
        read_calibration(recogniser, path)
    for text in ("", "[]", "{}", '{"points": [1], "model": ""}'):
        path.write_text(text)
        with pytest.raises(InputError, match="expected a file of 'evaluate verification --curve'"):
            read_calibration(recogniser, path)
    with pytest.raises(InputError, match="calibration: expected one of tiny, got none; make it with"):
        read_calibration(recogniser)


def test_the_bundled_network_comes_calibrated():
    calibration = read_calibration(load())
    assert -1 < calibration.at(1e-2).threshold < calibration.at(1e-3).threshold < 1
