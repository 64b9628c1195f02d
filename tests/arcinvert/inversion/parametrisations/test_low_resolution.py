"""Images of half the size: means of four pixels, enlarged."""

import torch
import torch.nn.functional as F

from arcinvert.inversion.parametrisations.low_resolution import LowResolution
from arcinvert.inversion.parametrisations.pixels import Pixels
from tests.arcinvert.inversion.networks import SIZE, start


def test_the_start_is_the_mean_of_four_pixels_enlarged() -> None:
    images = start()
    half = LowResolution(images, Pixels)
    (leaf,) = half.parameters
    by_hand = torch.stack(
        [
            images[:, :, row : row + 2, column : column + 2].mean((2, 3))
            for row in range(0, SIZE, 2)
            for column in range(0, SIZE, 2)
        ],
        dim=-1,
    ).unflatten(-1, (SIZE // 2, SIZE // 2))
    torch.testing.assert_close(leaf.detach(), by_hand)
    enlarged = half.images()
    assert enlarged.shape == images.shape
    torch.testing.assert_close(
        enlarged, F.interpolate(by_hand, size=(SIZE, SIZE), mode="bilinear", align_corners=False)
    )
