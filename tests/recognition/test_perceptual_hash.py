"""The perceptual hash: its definition, and what it ignores."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from recognition.perceptual_hash import BYTES, SAME_PHOTOGRAPH, distances, perceptual_hash

Picture = NDArray[np.uint8]


def picture(seed: int) -> Picture:
    coarse = np.random.default_rng(seed).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((112, 112), Image.Resampling.BICUBIC))


def by_definition(image: Picture) -> list[bool]:
    """The bits by the sums of the discrete cosine transform, one by one."""
    grey = Image.fromarray(image).convert("L").resize((64, 64), Image.Resampling.LANCZOS)
    values = np.asarray(grey, dtype=float)
    waves = [[np.cos(np.pi * k * (2 * n + 1) / 128) for n in range(64)] for k in range(16)]
    low = [
        sum(values[n] @ waves[across] * waves[down][n] for n in range(64))
        for down in range(16)
        for across in range(16)
    ]
    return [value > np.median(low) for value in low]


def test_the_bits_are_those_of_the_definition() -> None:
    found = np.unpackbits(perceptual_hash(picture(0))).astype(bool).tolist()
    assert found == by_definition(picture(0))
    assert sum(found) == 128


def encoded(image: Picture, quality: int) -> Picture:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


@pytest.mark.parametrize("seed", range(3))
def test_a_photograph_stays_near_itself_and_far_from_others(seed: int) -> None:
    image = picture(seed)
    own = perceptual_hash(image)
    smaller = np.asarray(Image.fromarray(image).resize((80, 80), Image.Resampling.BICUBIC))
    changed = [encoded(image, 75), encoded(image, 50), smaller, (image * 0.8).astype(np.uint8)]
    near = distances(own, np.stack([perceptual_hash(one) for one in changed]))
    assert near.max() <= SAME_PHOTOGRAPH
    others = distances(own, np.stack([perceptual_hash(picture(100 + number)) for number in range(50)]))
    assert others.min() > 2 * SAME_PHOTOGRAPH


def test_distances_count_bits() -> None:
    zero, one = np.zeros(BYTES, np.uint8), np.zeros(BYTES, np.uint8)
    one[:2] = 0b101, 0b1
    assert distances(zero, np.stack([zero, one, ~zero])).tolist() == [0, 3, 256]
    assert distances(zero, np.zeros((0, BYTES), np.uint8)).tolist() == []
