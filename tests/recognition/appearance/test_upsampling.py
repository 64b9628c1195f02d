"""The upsampler: what it keeps whatever its weights, its file, and the one that is shipped."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from recognition.appearance.upsampling import (
    Upsampler,
    as_seen,
    bundled_upsampler,
    kept,
    load_upsampler,
    noise_of,
    save_upsampler,
    smooth,
)
from recognition.bundled import upsampler_path
from recognition.errors import InputError
from recognition.images import to_tensor


def images(count: int = 2) -> Tensor:
    return torch.rand(count, 3, 112, 112, generator=torch.Generator().manual_seed(0))


def means(given: Tensor, side: int) -> Tensor:
    """Return the means of blocks, computed without pooling."""
    batch, channels, height, width = given.shape
    blocks = given.reshape(batch, channels, height // side, side, width // side, side)
    return blocks.double().mean((3, 5)).float()


def random_upsampler() -> Upsampler:
    torch.manual_seed(0)
    upsampler = Upsampler().requires_grad_(False)
    for parameter in upsampler.parameters():
        parameter.normal_(0, 0.2)
    return upsampler


def error(large: Tensor, crops: Tensor, side: int) -> float:
    """Return the largest difference of the means of blocks of a crop's `side` pixels."""
    return float((means(large, 2 * side) - means(crops, side)).abs().max())


@pytest.mark.parametrize("upsampler", [Upsampler().requires_grad_(False), random_upsampler()])
def test_means_of_blocks_stay_near_those_of_the_crop_whatever_the_weights(upsampler: Upsampler) -> None:
    large = upsampler(images(), noise_of([1, 2]))
    assert large.shape == (2, 3, 224, 224)
    added = float((large - smooth(images())).std())
    assert error(large, images(), 2) <= 0.5 * added + 0.02
    assert error(large, images(), 8) <= 0.02 * added + 1e-3


def test_coarse_errors_go_and_fine_ones_shrink_to_a_ninth() -> None:
    crops = torch.zeros(1, 3, 112, 112)
    large = smooth(crops)
    across = torch.arange(224) // 4
    # From block to block, as on a chessboard; and over sixteen blocks.
    finest = 0.5 * (-1.0) ** (across[:, None] + across)
    coarse = 0.5 * torch.cos(2 * torch.pi * across / 16).expand(224, 224)
    assert error(kept(large + finest, crops), crops, 2) == pytest.approx(0.5 * (1 - 0.42) ** 4, rel=0.15)
    assert error(kept(large + coarse, crops), crops, 2) < 0.005
    # What has no mean in any block is left alone.
    detail = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    detail = detail - means(detail, 4).repeat_interleave(4, -1).repeat_interleave(4, -2)
    torch.testing.assert_close(kept(large + detail, crops), detail, atol=1e-4, rtol=0)


def test_without_training_nothing_is_added() -> None:
    assert torch.equal(Upsampler()(images(), noise_of([1, 2])), kept(smooth(images()), images()))
    flat = torch.full((1, 3, 112, 112), 0.25)
    torch.testing.assert_close(Upsampler()(flat, noise_of([1])), torch.full((1, 3, 224, 224), 0.25))
    # A slope stays one: each pixel becomes two, a quarter of a pixel to the left and to the right of it.
    slope = (torch.arange(112.0) / 112).expand(1, 3, 112, 112)
    expected = ((torch.arange(224.0) - 0.5) / 2 / 112).expand(1, 3, 224, 224)
    found = Upsampler()(slope, noise_of([1]))
    torch.testing.assert_close(found[..., 32:-32], expected[..., 32:-32], atol=1e-3, rtol=0)


def test_recognisers_see_means_of_four_pixels() -> None:
    large = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(as_seen(large), means(large, 2))
    for other in (images(), torch.rand(1, 3, 160, 160)):
        assert as_seen(other) is other


def test_noise_follows_from_the_seed_of_its_image_alone() -> None:
    noise = noise_of([5, 6, 5])
    assert torch.equal(noise[0], noise[2])
    assert torch.equal(noise[1], noise_of([6])[0])
    assert abs(float(noise.mean())) < 0.05
    assert float(noise.std()) == pytest.approx(1, abs=0.05)


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path, upsampler = tmp_path / "upsampler.safetensors", random_upsampler()
    save_upsampler(path, upsampler, "nothing")
    again = load_upsampler(path)
    for name, value in upsampler.state_dict().items():
        assert torch.equal(again.state_dict()[name], value.half().float())
    assert not any(parameter.requires_grad for parameter in again.parameters())


@pytest.mark.parametrize(
    ("tensors", "metadata", "message"),
    [
        ({"weight": torch.zeros(2)}, {}, "expected a file of 'python -m recognition fit-upsampler'"),
        ({"first.weight": torch.zeros(5)}, {"format": "arcinvert-upsampler-1"}, "damaged upsampler"),
    ],
)
def test_other_files_are_refused(
    tmp_path: Path, tensors: dict[str, Tensor], metadata: dict[str, str], message: str
) -> None:
    path = tmp_path / "other.safetensors"
    save_file(tensors, path, metadata)
    with pytest.raises(InputError, match=message):
        load_upsampler(path)


def test_the_shipped_one_adds_detail_and_keeps_the_face(astronaut_crop: np.ndarray) -> None:
    assert upsampler_path().stat().st_size < 300_000
    # As smooth as what attacks find.
    coarse = torch.nn.functional.avg_pool2d(to_tensor(astronaut_crop)[None], 4)
    crop = smooth(smooth(coarse)).clamp(0, 1)
    found = bundled_upsampler()(crop, noise_of([0]))
    assert torch.equal(found, bundled_upsampler()(crop, noise_of([0])))
    assert error(found, crop, 2) < 0.05
    assert error(found, crop, 8) < 0.004

    def detail(given: Tensor) -> float:
        return float((means(given, 4).repeat_interleave(4, -1).repeat_interleave(4, -2) - given).std())

    assert detail(found) > 1.1 * detail(smooth(crop))
