"""DeepInversion's image priors, against loops over pixels."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from arcinvert.inversion.penalties.deepinversion_image import ImageNorm, VariationNorm
from tests.arcinvert.inversion.penalties.pictures import some_pixels, stripes


def naive_variation_norm(images: NDArray[np.float64]) -> float:
    """Return norms of the differences to four neighbours, over all images at once; pixels from -1 to 1."""
    batch, channels, height, width = images.shape
    total = 0.0
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        squares = 0.0
        for b, c, y, x in np.ndindex(batch, channels, height, width):
            if y + down < height and 0 <= x + right < width:
                squares += (2 * (images[b, c, y + down, x + right] - images[b, c, y, x])) ** 2
        total += squares**0.5
    return total


def test_values_against_loops() -> None:
    images = some_pixels()
    assert VariationNorm()(images).tolist() == pytest.approx([naive_variation_norm(images.numpy())] * 2)
    expected = [sum((2 * value - 1) ** 2 for value in image.ravel()) ** 0.5 for image in images.numpy()]
    assert ImageNorm()(images).tolist() == pytest.approx(expected)


def test_values_by_hand() -> None:
    # In -1..1: 48 values of +-1; differences of 2, 36 to the right and 27 along each diagonal.
    assert ImageNorm()(stripes()).tolist() == pytest.approx([48**0.5])
    assert VariationNorm()(stripes()).tolist() == pytest.approx([2 * (36**0.5 + 2 * 27**0.5)])


@pytest.mark.parametrize("kind", [VariationNorm, ImageNorm])
def test_a_norm_has_a_finite_gradient_at_zero(kind: type[VariationNorm] | type[ImageNorm]) -> None:
    grey = torch.full((2, 3, 6, 6), 0.5, requires_grad=True)
    kind()(grey).sum().backward()
    assert grey.grad is not None
    assert bool(grey.grad.isfinite().all())
