"""Faces at twice the side of an aligned crop: a small network adds what is finer than they show.

Crops that attacks find have little detail beyond half their side, so that the network works there, and makes
a block of 4x4 pixels of each (Shi et al., CVPR 2016). It also sees noise, of which it makes what no crop
decides, such as grain. Whatever the network adds, the mean of each block is brought back to that of the crop,
so that what is coarser stays (iterated back-projection: Irani and Peleg, CVGIP 53(3), 1991).
"""

import functools
import os
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition.appearance.files import read_fitted
from recognition.bundled import upsampler_path
from recognition.checkpoint import write_safetensors
from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError, one_line

#: Format of the file; the number rises when older readers would misread newer files.
FORMAT = "arcinvert-upsampler-1"
#: Side of the results in pixels.
LARGE_SIZE = 2 * ALIGNED_SIZE
#: Side in pixels at which the network works, and side of the block of the result that it makes of a pixel.
COARSE_SIZE, BLOCK = ALIGNED_SIZE // 2, 4
#: Channels of the noise, of the network's inner features, and residual blocks.
_NOISE, _CHANNELS, _DEPTH = 4, 32, 3
#: Side of the neighbourhood of blocks that have no pattern in common.
_AROUND = 7
#: Corrections of the blocks' means: each leaves 0.58 of an error that changes from block to block, and 0.1 of
#: one of a period of four blocks.
_CORRECTIONS = 4


class Upsampler(nn.Module):
    """Makes crops of 112x112 pixels faces of 224x224."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3 * 4 + _NOISE, _CHANNELS, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1),
                nn.PReLU(_CHANNELS),
                nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1),
            )
            for _ in range(_DEPTH)
        )
        self.last = nn.Conv2d(_CHANNELS, 3 * BLOCK**2, 3, padding=1)
        # Without training, the result is the smooth enlargement.
        for parameter in self.last.parameters():
            nn.init.zeros_(parameter)

    def forward(self, images: Tensor, noise: Tensor) -> Tensor:
        """Return faces, shape (batch, 3, 224, 224); they may leave [0, 1].

        Args:
            images: Shape (batch, 3, 112, 112), in [0, 1].
            noise: Shape (batch, 4, 56, 56), N(0, 1).
        """
        features = self.first(torch.cat([F.pixel_unshuffle(images - 0.5, 2), noise], 1))
        for block in self.blocks:
            features = features + block(features)
        blocks = self.last(features)
        # What all blocks around have in common would be a mesh.
        around = F.avg_pool2d(blocks, _AROUND, 1, _AROUND // 2, count_include_pad=False)
        detail = _blurred(F.pixel_shuffle(blocks - around, BLOCK))
        return kept(smooth(images) + detail, images)


def smooth(images: Tensor) -> Tensor:
    """Return images of twice the side without detail, (batch, 3, 2h, 2h), of images (batch, 3, h, h)."""
    return F.interpolate(images, scale_factor=2, mode="bicubic")


def _blurred(detail: Tensor) -> Tensor:
    """Return detail after the filter (1, 2, 1) / 4 both ways, which takes the pattern of blocks out."""
    padded = F.pad(detail, (1, 1, 1, 1), mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(padded, 2, 1), 2, 1)


def kept(large: Tensor, images: Tensor) -> Tensor:
    """Return images whose means of 4x4 pixels are nearly those of 2x2 pixels of others.

    Of an error that changes from block to block a ninth is left, and next to nothing of coarser ones. To
    leave none would show the blocks.

    Args:
        large: The images, shape (batch, 3, 2h, 2h).
        images: The others, shape (batch, 3, h, h); h is even.
    """
    wanted = F.avg_pool2d(images, 2)
    for _ in range(_CORRECTIONS):
        error = wanted - F.avg_pool2d(large, BLOCK)
        large = large + F.interpolate(error, scale_factor=BLOCK, mode="bicubic")
    return large


def as_seen(images: Tensor) -> Tensor:
    """Return NCHW images of 224 pixels a side as recognisers see them, of 112; others unchanged.

    A pixel is the mean of four, which is the exact inverse of an enlargement by whole pixels.
    """
    return F.avg_pool2d(images, 2) if images.shape[-1] == LARGE_SIZE else images


def noise_of(seeds: Sequence[int]) -> Tensor:
    """Return the network's noise, shape (seeds, 4, 56, 56); that of an image follows from its seed alone."""
    shape = (_NOISE, COARSE_SIZE, COARSE_SIZE)
    return torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])


def save_upsampler(path: str | os.PathLike[str], upsampler: Upsampler, notes: str) -> None:
    """Write a network in half precision, completely or not at all.

    Args:
        path: The file.
        upsampler: The network.
        notes: What it was trained on.

    Raises:
        InputError: If the file cannot be written.
    """
    halves = {name: value.half().contiguous() for name, value in upsampler.state_dict().items()}
    write_safetensors(path, halves, {"format": FORMAT, "notes": notes})


def load_upsampler(path: str | os.PathLike[str]) -> Upsampler:
    """Return what `save_upsampler` wrote, in float32, without gradients.

    Raises:
        InputError: If the file does not exist, is damaged or of another kind.
    """
    tensors = read_fitted(path, "a file of an upsampler", command="fit-upsampler", file_format=FORMAT)
    upsampler = Upsampler()
    try:
        upsampler.load_state_dict({name: value.float() for name, value in tensors.items()})
    except RuntimeError as error:
        raise InputError(f"{path}: damaged upsampler ({one_line(error)}); get an intact copy") from None
    return upsampler.requires_grad_(False).eval()


@functools.cache
def bundled_upsampler() -> Upsampler:
    """Return the network that the package ships, loaded once."""
    return load_upsampler(upsampler_path())
