"""Random augmentation of images and features in front of the loss, drawn from an explicit generator."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Augmentation:
    """Flips, shifts and scales each image by a random amount of its own, and drops random features.

    An image that keeps its identity under augmentation cannot rest on details that this network alone reads.

    Args:
        flip: Whether to mirror each image with probability one half.
        shift: The largest move along each axis, pixels.
        scale: The largest relative change of size, as a fraction.
        wrap: Whether what a shift moves out on one side comes in on the other; else the border is repeated
            (or, with a change of size, reflected).
        feature_dropout: The fraction, from 0 to below 1, of the features in front of the network's last
            weights that is set to zero in each pass with gradients while `attached`; the others grow to keep
            the sum. Source: dropout, Srivastava et al., JMLR 15, 2014, here of a frozen network.
        generator: The random numbers, on the CPU, so that every device draws the same.
    """

    def __init__(
        self,
        *,
        flip: bool = False,
        shift: float = 0.0,
        scale: float = 0.0,
        wrap: bool = False,
        feature_dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> None:
        self.flip = flip
        self.shift = shift
        self.scale = scale
        self.wrap = wrap
        self.feature_dropout = feature_dropout
        self._generator = generator or torch.Generator().manual_seed(0)

    def __call__(self, images: Tensor) -> Tensor:
        """Return augmented images, of the same shape (batch, 3, h, w)."""
        batch, _, _, size = images.shape
        mirror = torch.randint(0, 2, (batch,), generator=self._generator) * 2.0 - 1
        shifts = (torch.rand(batch, 2, generator=self._generator) * 2 - 1) * self.shift
        factors = 1 + (torch.rand(batch, generator=self._generator) * 2 - 1) * self.scale
        if not self.flip:
            mirror = torch.ones(batch)
        if self.scale == 0:
            # Whole pixels without resampling: interpolation would blur each copy.
            return self._shift_pixels(images, mirror, shifts.round().long())
        # Where each column and row of the result samples the image, in grid_sample's units, -1 to 1.
        centres = (torch.arange(size) * 2 + 1) / size - 1
        columns = centres * (mirror / factors)[:, None] + shifts[:, :1] * 2 / size
        rows = centres / factors[:, None] + shifts[:, 1:] * 2 / size
        sampled = to_device(torch.stack([columns, rows]).to(images.dtype), images.device)
        grid = torch.stack(
            [sampled[0, :, None].expand(-1, size, -1), sampled[1, :, :, None].expand(-1, -1, size)], -1
        )
        if self.wrap:
            grid = (grid + 1) % 2 - 1
        return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)

    def _shift_pixels(self, images: Tensor, mirror: Tensor, shifts: Tensor) -> Tensor:
        margin = math.ceil(self.shift)
        padded = (
            F.pad(images, [margin] * 4, mode="circular" if self.wrap else "replicate") if margin else images
        )
        height, width = images.shape[-2:]
        shifted = []
        moves = zip(padded.unbind(), mirror.tolist(), (shifts + margin).tolist(), strict=True)
        for image, side, (down, right) in moves:
            window = image[:, down : down + height, right : right + width]
            shifted.append(window.flip(-1) if side < 0 else window)
        return torch.stack(shifted)

    @contextlib.contextmanager
    def attached(self, network: nn.Module) -> Iterator[None]:
        """Drop features in front of the network's last linear or convolutional layer, in module order."""
        layers = [module for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
        if not self.feature_dropout or not layers:
            yield
            return
        handle = layers[-1].register_forward_pre_hook(self._drop)
        try:
            yield
        finally:
            handle.remove()

    def _drop(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not torch.is_grad_enabled():
            return None
        features = inputs[0]
        kept = torch.rand(features.shape, generator=self._generator) >= self.feature_dropout
        factors = (kept / (1 - self.feature_dropout)).to(features.dtype)
        return (features * to_device(factors, features.device),)


def to_device(drawn: Tensor, device: torch.device) -> Tensor:
    """Copy random numbers of the CPU to a device without waiting for its queue."""
    return (drawn.pin_memory() if device.type == "cuda" else drawn).to(device, non_blocking=True)
