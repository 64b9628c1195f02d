"""Galleries of photographs: templates, enrolment and ranked lists."""

import numpy as np
import pytest

from recognition.checkpoint import load_recogniser
from recognition.errors import NoFaceError
from recognition.gallery import Gallery, enrol, rank, side_by_side, templates
from recognition.images import read_image, to_tensor, write_png
from recognition.recogniser import embed


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
    (tmp_path / "a.jxl").write_bytes(b"\xff\x0a" + bytes(100))
    write_png(tmp_path / "a.jfif", read_image(people / "Person_00/Person_00_0002.png"))
    flat = enrol(recogniser, tmp_path)
    # Two photographs of one name are of one person.
    assert flat.identities == ("a", "a")
    assert [path.name for path in flat.left_out] == ["a.jxl", "broken.jpg", "grey.png"]


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
