"""Gaussian noise around mid-grey."""

import pytest
import torch

from arcinvert.inversion.initialisation.noise import DEVIATION, noise_images


def test_it_is_gaussian_around_grey_and_clipped() -> None:
    images = noise_images(seeds=list(range(8)), size=48)
    assert images.shape == (8, 3, 48, 48)
    assert float(images.mean()) == pytest.approx(0.5, abs=0.01)
    # Pixels beyond one standard deviation are clipped: 16 % on each side.
    assert DEVIATION == 0.5
    assert float((images == 0).float().mean()) == pytest.approx(0.159, abs=0.01)
    assert float((images == 1).float().mean()) == pytest.approx(0.159, abs=0.01)


def test_colours_are_independent() -> None:
    red, green, _ = noise_images(seeds=[3], size=112)[0]
    assert abs(float(torch.corrcoef(torch.stack([red.flatten(), green.flatten()]))[0, 1])) < 0.05
