"""Total variation and that of the colours, against loops over pixels."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from arcinvert.inversion.penalties.total_variation import ColourVariation, TotalVariation, total_variation
from tests.arcinvert.inversion.penalties.pictures import some_pixels, stripes


def naive_variation(image: NDArray[np.float64]) -> float:
    """Return the mean over vertical neighbours plus the mean over horizontal neighbours."""
    channels, height, width = image.shape
    down = [
        abs(image[c, y + 1, x] - image[c, y, x])
        for c in range(channels)
        for y in range(height - 1)
        for x in range(width)
    ]
    right = [
        abs(image[c, y, x + 1] - image[c, y, x])
        for c in range(channels)
        for y in range(height)
        for x in range(width - 1)
    ]
    return sum(down) / len(down) + sum(right) / len(right)


def naive_colours(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each channel less the mean of the three, pixel by pixel."""
    colours = image.copy()
    for y in range(image.shape[1]):
        for x in range(image.shape[2]):
            colours[:, y, x] -= sum(image[:, y, x]) / 3
    return colours


def test_values_against_loops() -> None:
    images = some_pixels()
    expected = [naive_variation(one) for one in images.numpy()]
    assert TotalVariation()(images).tolist() == pytest.approx(expected)
    assert torch.equal(TotalVariation()(images), total_variation(images))
    expected = [naive_variation(naive_colours(one)) for one in images.numpy()]
    assert ColourVariation()(images).tolist() == pytest.approx(expected)


def test_values_by_hand() -> None:
    # Columns 0, 1, 0, 1: no vertical difference, every horizontal one is 1.
    assert TotalVariation()(stripes()).tolist() == [1.0]
    # Without colour, and in red alone: there the channels differ from their mean by 2/3, 1/3 and 1/3.
    assert ColourVariation()(stripes()).tolist() == pytest.approx([0.0], abs=1e-6)
    red = stripes() * torch.tensor([1.0, 0.0, 0.0])[:, None, None]
    assert ColourVariation()(red).tolist() == pytest.approx([4 / 9])
