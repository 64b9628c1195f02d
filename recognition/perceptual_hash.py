"""A perceptual hash: nearly the same for an image that was compressed again, resized or made brighter.

It is the pHash of the package imagehash with 16 x 16 bits: the signs of low frequencies about their median.
Source: Zauner, Implementation and benchmarking of perceptual image hash functions, Hagenberg 2010, section
3.2.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Frequencies of each axis that are kept, and the side of the image that they are computed of, pixels.
SIDE, IMAGE_SIDE = 16, 64
#: Bytes of a hash.
BYTES = SIDE * SIDE // 8
#: Bits that two hashes of one photograph may differ in; `python -m benchmarks.duplicates` chose it.
SAME_PHOTOGRAPH = 40


def perceptual_hash(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the hash of an RGB image, uint8 of shape (height, width, 3), as `BYTES` bytes."""
    grey = Image.fromarray(image).convert("L").resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.LANCZOS)
    low = _cosines() @ np.asarray(grey, dtype=np.float64) @ _cosines().T
    return np.packbits(low > np.median(low))


def distances(one: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return in how many bits a hash differs from each of others, shape (n, BYTES)."""
    return np.unpackbits(others ^ one, axis=1).sum(axis=1, dtype=np.int64)


@cache
def _cosines() -> NDArray[np.float64]:
    """Return the first rows of the discrete cosine transform (type II), shape (SIDE, IMAGE_SIDE)."""
    points = 2 * np.arange(IMAGE_SIDE) + 1
    return np.cos(np.pi / (2 * IMAGE_SIDE) * np.outer(np.arange(SIDE), points))
