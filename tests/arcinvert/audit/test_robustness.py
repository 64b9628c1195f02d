"""Transforms: what they change, and that they keep the frame."""

import numpy as np
import pytest

from arcinvert.audit.robustness import TRANSFORMS, crop_10, jpeg_50


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_keeps_the_frame_and_changes_the_picture(name: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    before = image.copy()
    changed = TRANSFORMS[name](image)
    assert changed.shape == image.shape
    assert changed.dtype == np.uint8
    assert not np.array_equal(changed, image)
    assert np.array_equal(changed, TRANSFORMS[name](image))
    assert np.array_equal(image, before)


def test_the_crop_takes_a_tenth_of_the_side() -> None:
    ramp = np.tile(np.linspace(0, 255, 112).astype(np.uint8)[None, :, None], (112, 1, 3))
    cropped = crop_10(ramp)[56, :, 0].astype(float)
    assert cropped[0] == pytest.approx(0.05 * 255, abs=4)
    assert cropped[-1] == pytest.approx(0.95 * 255, abs=4)


def test_jpeg_is_lossy_but_near() -> None:
    ramp = np.tile(np.linspace(0, 255, 112).astype(np.uint8)[None, :, None], (112, 1, 3))
    assert np.abs(jpeg_50(ramp).astype(int) - ramp).mean() < 4
