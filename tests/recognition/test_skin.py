"""Skin tone against scikit-image, and by hand."""

import numpy as np
import pytest
from skimage.color import lab2rgb, rgb2lab

from recognition.skin import CHEEKS, CLASSES, cheek_colour, skin_classes, skin_tones, to_lab, typology_angle


def test_lab_is_that_of_scikit_image() -> None:
    colours = np.random.default_rng(0).random((50, 3))
    colours[0], colours[1] = 0, 1
    assert to_lab(colours) == pytest.approx(rgb2lab(colours[None])[0], abs=1e-3)


def test_the_tone_is_the_cheeks_median_whatever_is_elsewhere() -> None:
    # Light, a little red and yellow: L* 70, b* 12, an angle of atan(20 / 12).
    skin = (lab2rgb(np.array([[[70.0, 9.0, 12.0]]]))[0, 0] * 255).round().astype(np.uint8)
    crop = np.full((112, 112, 3), (0, 200, 30), np.uint8)
    crop[60:90, 30:80] = skin
    crop[68:70, 34:40] = 0
    expected = np.degrees(np.arctan(20 / 12))
    assert typology_angle(cheek_colour(crop)) == pytest.approx(expected, abs=1)
    pair = np.stack([crop, crop[:, ::-1]])[:, None]
    assert skin_tones(pair).shape == (2, 1)
    # The cheeks do not lie symmetrically to a pixel, but this face's colour does.
    assert skin_tones(pair) == pytest.approx(np.full((2, 1), expected), abs=1)
    assert skin_tones(np.zeros((0, 112, 112, 3), np.uint8)).shape == (0,)
    assert all(bottom <= 112 and right <= 112 for _, bottom, _, right in CHEEKS)


def test_classes_are_between_the_published_angles() -> None:
    tones = np.array([[-31.0, -29.0, 11.0], [29.0, 42.0, 56.0]])
    assert [[CLASSES[one] for one in row] for row in skin_classes(tones)] == [
        ["dark", "brown", "tan"],
        ["intermediate", "light", "very light"],
    ]


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="expected an aligned crop"):
        cheek_colour(np.zeros((64, 64, 3), np.uint8))
