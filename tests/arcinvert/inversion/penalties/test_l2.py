"""Mean squared distance from mid-grey, pixel by pixel."""

import pytest

from arcinvert.inversion.penalties.l2 import SquaredNorm
from tests.arcinvert.inversion.penalties.pictures import some_pixels, stripes


def test_values() -> None:
    images = some_pixels()
    expected = [sum((value - 0.5) ** 2 for value in image.ravel()) / image.size for image in images.numpy()]
    assert SquaredNorm()(images).tolist() == pytest.approx(expected)
    assert SquaredNorm()(stripes()).tolist() == [0.25]
