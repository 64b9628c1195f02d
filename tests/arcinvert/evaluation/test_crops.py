"""Images as judges see them."""

import numpy as np

from arcinvert.evaluation.crops import to_crop_size


def test_larger_images_become_the_means_of_their_pixels() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3)).astype(np.uint8)
    means = images.reshape(2, 112, 2, 112, 2, 3).astype(np.float64).mean((2, 4))
    # Halves may be rounded to either side.
    assert np.abs(to_crop_size(images) - means).max() <= 0.5 + 1e-6


def test_crops_are_left_alone_and_other_sizes_are_interpolated() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3)).astype(np.uint8)
    assert to_crop_size(crops) is crops
    flat = to_crop_size(np.full((1, 160, 160, 3), 77, np.uint8))
    assert flat.shape == (1, 112, 112, 3)
    assert (flat == 77).all()
