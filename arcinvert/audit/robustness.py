"""Transforms that a reconstruction must survive to be of use outside a laboratory."""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Picture = NDArray[np.uint8]


def jpeg_50(image: Picture) -> Picture:
    """Return an image after JPEG compression at quality 50."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", quality=50)
    return np.asarray(Image.open(buffer).convert("RGB"))


def blur(image: Picture) -> Picture:
    """Return an image after Gaussian blur with a standard deviation of 1.5 pixels of 112."""
    return np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(1.5)))


def crop_10(image: Picture) -> Picture:
    """Return an image without 10 % of each side (5 % at every edge), enlarged to its old size."""
    side = image.shape[0]
    cut = side * 0.05
    box = (cut, cut, side - cut, side - cut)
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC, box=box))


#: The transforms by the names that reports use; each keeps the size.
TRANSFORMS: dict[str, Callable[[Picture], Picture]] = {
    "JPEG 50": jpeg_50,
    "blur": blur,
    "10 % crop": crop_10,
}
