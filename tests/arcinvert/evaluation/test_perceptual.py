"""SSIM against scikit-image."""

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from arcinvert.evaluation.perceptual import ssim


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(7)


def test_ssim_is_that_of_scikit_image(generator: np.random.Generator) -> None:
    first = generator.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    second = np.clip(first + generator.normal(0, 40, first.shape), 0, 255).astype(np.uint8)
    full = structural_similarity(
        first,
        second,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        full=True,
    )[1]
    # The library pads; away from the border its map is the same.
    assert ssim(first, second) == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-6)
    assert ssim(first, first) == pytest.approx(1.0)
