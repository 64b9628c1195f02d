"""The size that an attack's finished images are asked for. Imports no torch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

#: Sides in pixels: an aligned crop's, and twice as much.
SIZES = (112, 224)


def given_size(images: "Tensor", size: int | None, seeds: Sequence[int]) -> "Tensor":
    """Return images, (batch, 3, h, h) in [0, 1], with a side of `SIZES`.

    Args:
        images: The finished images.
        size: The side; None keeps theirs.
        seeds: Of each image, which the detail that nothing decides follows from.
    """
    if size is None:
        return images
    from recognition.appearance.upsampling import bundled_upsampler, noise_of
    from recognition.images import resized

    crops = resized(images, SIZES[0])
    return crops if size == SIZES[0] else bundled_upsampler()(crops, noise_of(seeds)).clamp(0, 1)
