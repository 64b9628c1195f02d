"""The reader of faces in photographs and in aligned crops."""

import numpy as np
import pytest
from PIL import Image

from recognition.data.faces import at_size, read_face
from recognition.detection.alignment import crop_at
from recognition.detection.search import find_face
from recognition.errors import InputError, NoFaceError
from recognition.images import read_image, write_png


@pytest.fixture
def photograph(astronaut, tmp_path):
    """A photograph of 900x300 pixels with a smaller face near the middle and a larger one at the right."""
    white = np.full((300, 900, 3), 255, dtype=np.uint8)
    head = astronaut[:260, 90:370]
    white[20:280, 600:880] = head
    white[40:248, 300:524] = np.asarray(Image.fromarray(head).resize((224, 208)))
    write_png(tmp_path / "photo.png", white)
    return tmp_path / "photo.png"


@pytest.mark.parametrize(("pick", "face"), [("largest", 1), ("central", 1), ("largest", 2)])
@pytest.mark.parametrize("size", [112, 64])
def test_the_chosen_face_of_a_photograph_is_aligned(pick, face, size, photograph):
    pixels = read_image(photograph)
    expected = crop_at(pixels, find_face(pixels, name="photo", pick=pick, face=face), size)
    assert np.array_equal(read_face(photograph, size=size, pick=pick, face=face), expected)


def test_the_central_face_is_the_default(photograph):
    assert np.array_equal(read_face(photograph), read_face(photograph, pick="central"))
    assert not np.array_equal(read_face(photograph), read_face(photograph, pick="largest"))


@pytest.mark.parametrize("aligned", [None, True])
def test_a_crop_is_returned_at_the_size(aligned, people):
    path = people / "Person_00/Person_00_0001.png"
    crop = read_image(path)
    assert np.array_equal(read_face(path, aligned=aligned), crop)
    smaller = read_face(path, aligned=aligned, size=56)
    assert smaller.shape == (56, 56, 3)
    assert np.array_equal(smaller, at_size(crop, 56))
    # A crop is smooth but for its noise, so that its blocks keep their mean.
    assert (
        np.abs(
            smaller.reshape(2, 28, 2, 28, 3).mean((1, 3)) - crop.reshape(2, 56, 2, 56, 3).mean((1, 3))
        ).max()
        < 2
    )


def test_a_crop_may_be_treated_as_a_photograph(people):
    with pytest.raises(NoFaceError, match="expected a face, the detector found none"):
        read_face(people / "Person_00/Person_00_0001.png", aligned=False)


def test_a_photograph_is_refused_where_a_crop_is_expected(photograph):
    with pytest.raises(InputError, match=r"photo\.png: expected an aligned 112x112 crop, got 900x300; run"):
        read_face(photograph, aligned=True)


def test_a_photograph_without_a_face_is_refused(tmp_path):
    write_png(tmp_path / "grey.png", np.full((300, 300, 3), 127, dtype=np.uint8))
    with pytest.raises(NoFaceError, match="expected a face, the detector found none"):
        read_face(tmp_path / "grey.png")
