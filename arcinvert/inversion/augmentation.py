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
        #: Where the next views sample the images: `_positions`, on the images' device.
        self._views: Tensor | None = None
        #: Factors of the features in the next pass, and whether no pass has used them.
        self._factors: Tensor | None = None
        self._factors_are_new = False

    def __call__(self, images: Tensor) -> Tensor:
        """Return augmented images, of the same shape (batch, 3, h, w)."""
        self.draw(images)
        return self.apply(images)

    def draw(self, images: Tensor) -> None:
        """Draw the random numbers of the next views of images, and of the features that are dropped then.

        The numbers are copied into the memory of those before, so that a captured CUDA graph of `apply` and
        of a pass makes new views at each replay.
        """
        self._views = _renewed(self._views, self._positions(images), images.device)
        if self._factors is not None:
            self._draw_factors(self._factors)

    def _positions(self, images: Tensor) -> Tensor:
        """Return, on the CPU, where each column and row of the views samples the images.

        The shape is (2, batch, side), the unit pixels for whole shifts, else grid_sample's, -1 to 1.
        """
        batch, _, height, width = images.shape
        mirror = torch.randint(0, 2, (batch,), generator=self._generator) * 2.0 - 1
        shifts = (torch.rand(batch, 2, generator=self._generator) * 2 - 1) * self.shift
        factors = 1 + (torch.rand(batch, generator=self._generator) * 2 - 1) * self.scale
        if not self.flip:
            mirror = torch.ones(batch)
        if self.scale == 0:
            # Whole pixels without resampling: interpolation would blur each copy.
            down, right = shifts.round().unbind(1)
            columns = torch.arange(width).expand(batch, -1)
            columns = torch.where(mirror[:, None] < 0, width - 1 - columns, columns) + right[:, None]
            rows = torch.arange(height) + down[:, None]
            return torch.stack([columns, rows]).to(images.dtype)
        centres = (torch.arange(width) * 2 + 1) / width - 1
        columns = centres * (mirror / factors)[:, None] + shifts[:, :1] * 2 / width
        rows = centres / factors[:, None] + shifts[:, 1:] * 2 / width
        return torch.stack([columns, rows]).to(images.dtype)

    def apply(self, images: Tensor) -> Tensor:
        """Return the views that were drawn of images."""
        if self._views is None:
            raise ValueError("expected views that were drawn, got none; call draw first")
        columns, rows = self._views
        if self.scale == 0:
            return self._shifted(images, columns, rows)
        height, width = images.shape[-2:]
        if images.device.type != "cpu":
            # Other devices have no deterministic gradient of grid_sample, or none at all.
            sources = (
                _reflected(((((one + 1) % 2 if self.wrap else one + 1) * side) - 1) / 2, side)
                for one, side in ((columns, width), (rows, height))
            )
            return _sampled(images, *sources)
        grid = torch.stack(
            [columns[:, None].expand(-1, height, -1), rows[:, :, None].expand(-1, -1, width)], -1
        )
        if self.wrap:
            grid = (grid + 1) % 2 - 1
        return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)

    def _shifted(self, images: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        if images.device.type != "cpu":
            # Padding has no deterministic gradient on CUDA.
            if self.wrap:
                return _sampled(images, columns % width, rows % height)
            return _sampled(images, columns.clamp(0, width - 1), rows.clamp(0, height - 1))
        margin = math.ceil(self.shift)
        if margin:
            images = F.pad(images, [margin] * 4, mode="circular" if self.wrap else "replicate")
        return _sampled(images, columns + margin, rows + margin)

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
            self._factors = None

    def _drop(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not torch.is_grad_enabled():
            return None
        features = inputs[0]
        if not self._factors_are_new or self._factors is None or self._factors.shape != features.shape:
            # Before the first pass nobody knows the shape of the features.
            self._draw_factors(features)
        self._factors_are_new = False
        return (features * self._factors,)

    def _draw_factors(self, features: Tensor) -> None:
        kept = torch.rand(features.shape, generator=self._generator) >= self.feature_dropout
        factors = (kept / (1 - self.feature_dropout)).to(features.dtype)
        self._factors = _renewed(self._factors, factors, features.device)
        self._factors_are_new = True


def _renewed(before: Tensor | None, drawn: Tensor, device: torch.device) -> Tensor:
    """Copy random numbers of the CPU to a device, into the memory of those before, where it fits.

    The host does not wait for the device's queue.
    """
    if device.type == "cuda":
        drawn = drawn.pin_memory()
    fits = before is not None and (before.shape, before.dtype, before.device) == (
        drawn.shape,
        drawn.dtype,
        device,
    )
    if before is None or not fits:
        return drawn.to(device, non_blocking=True)
    return before.copy_(drawn, non_blocking=True)


def _reflected(positions: Tensor, side: int) -> Tensor:
    """Return positions in pixels, reflected at the image's edges, as grid_sample does it."""
    past = (positions + 0.5) % (2 * side)
    return (torch.minimum(past, 2 * side - past) - 0.5).clamp(0, side - 1)


def _sampled(images: Tensor, columns: Tensor, rows: Tensor) -> Tensor:
    """Return images sampled bilinearly at columns and rows of their own, as two products of matrices.

    Whole positions are copied exactly.

    Args:
        images: Shape (batch, 3, h, w).
        columns: Shape (batch, width of the result), pixels in [0, w - 1].
        rows: Shape (batch, height of the result), pixels in [0, h - 1].
    """
    height, width = images.shape[-2:]
    down, right = (_weights(one, side)[:, None] for one, side in ((rows, height), (columns, width)))
    return down @ images @ right.mT


def _weights(positions: Tensor, side: int) -> Tensor:
    """Return each pixel's part in samples at positions, (batch, n), of a line: shape (batch, n, side)."""
    pixels = torch.arange(side, device=positions.device, dtype=positions.dtype)
    return (1 - (positions[:, :, None] - pixels).abs()).clamp_min(0)
