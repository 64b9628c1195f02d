"""The size that finished images are given."""

import pytest
import torch

from arcinvert.inversion.size import SIZES, given_size
from recognition.appearance.upsampling import as_seen, bundled_upsampler, noise_of
from recognition.images import resized


def images(side: int = 112) -> torch.Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_images_keep_their_size_unless_another_is_asked_for() -> None:
    for size in (None, 112):
        given = images()
        assert given_size(given, size, [1, 2]) is given
    other = images(160)
    assert given_size(other, None, [1, 2]) is other
    assert torch.equal(given_size(other, 112, [1, 2]), resized(other, 112))


@pytest.mark.parametrize("side", [112, 160])
def test_the_larger_size_is_the_upsamplers(side: int) -> None:
    assert SIZES == (112, 224)
    given = given_size(images(side), 224, [1, 2])
    crops = resized(images(side), 112)
    assert torch.equal(given, bundled_upsampler()(crops, noise_of([1, 2])).clamp(0, 1))
    # An image does not depend on the others of its batch.
    torch.testing.assert_close(given_size(images(side)[1:], 224, [2]), given[1:], atol=1e-5, rtol=0)
    assert as_seen(given).shape == (2, 3, 112, 112)
