"""Random views of images and of features, drawn from an explicit generator."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RandomAugmentation:
    """Each image flipped half the time, shifted and scaled by its own random amount.

    Args:
        flip: whether to mirror at random.
        shift: largest move along each axis, pixels.
        scale: largest relative change of size, as a fraction.
        wrap: whether what leaves the picture on one side comes in on the other; else the nearest of the
            picture stands there.
        generator: of the random numbers, on the CPU, so that every device draws the same.
    """

    def __init__(
        self, *, flip: bool, shift: float, scale: float, generator: torch.Generator, wrap: bool = False
    ) -> None:
        self.flip = flip
        self.shift = shift
        self.scale = scale
        self.wrap = wrap
        self.generator = generator

    def __call__(self, images: Tensor) -> Tensor:
        batch, _, _, size = images.shape
        mirror = torch.randint(0, 2, (batch,), generator=self.generator) * 2.0 - 1
        shifts = (torch.rand(batch, 2, generator=self.generator) * 2 - 1) * self.shift
        factors = 1 + (torch.rand(batch, generator=self.generator) * 2 - 1) * self.scale
        if not self.flip:
            mirror = torch.ones(batch)
        if self.scale == 0:
            # Whole pixels and no resampling: interpolation would blur each view.
            return self._roll(images, mirror, shifts.round().long())
        # Where each column and row of the views looks, in grid_sample's units: -1 to 1 across the image.
        places = (torch.arange(size) * 2 + 1) / size - 1
        across = places * (mirror / factors)[:, None] + shifts[:, :1] * 2 / size
        down = places / factors[:, None] + shifts[:, 1:] * 2 / size
        looks = to_device(torch.stack([across, down]).to(images.dtype), images.device)
        grid = torch.stack(
            [looks[0, :, None].expand(-1, size, -1), looks[1, :, :, None].expand(-1, -1, size)], -1
        )
        if self.wrap:
            grid = (grid + 1) % 2 - 1
        return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)

    def _roll(self, images: Tensor, mirror: Tensor, shifts: Tensor) -> Tensor:
        margin = math.ceil(self.shift)
        padded = (
            F.pad(images, [margin] * 4, mode="circular" if self.wrap else "replicate") if margin else images
        )
        height, width = images.shape[-2:]
        views = []
        moves = zip(padded.unbind(), mirror.tolist(), (shifts + margin).tolist(), strict=True)
        for image, side, (down, right) in moves:
            view = image[:, down : down + height, right : right + width]
            views.append(view.flip(-1) if side < 0 else view)
        return torch.stack(views)


class FeatureDropout:
    """While `hiding`, a random share of the features that a network's last weights read is zero.

    A picture then cannot rest on a few features that this network alone reads, so that more of it
    holds for networks that were not attacked. Only passes with gradients are changed.

    Args:
        share: of the features hidden at each pass, 0 to below 1; the others grow to keep the sum.
        generator: of the random numbers, on the CPU, so that every device draws the same.

    Source: dropout, Srivastava et al., JMLR 15, 2014, here of a frozen network.
    """

    def __init__(self, share: float, generator: torch.Generator) -> None:
        self.share = share
        self.generator = generator

    @contextlib.contextmanager
    def hiding(self, network: nn.Module) -> Iterator[None]:
        """Hook on the last linear or convolutional layer of the network, by the order of its modules."""
        layers = [module for module in network.modules() if isinstance(module, nn.Linear | nn.Conv2d)]
        if not self.share or not layers:
            yield
            return
        handle = layers[-1].register_forward_pre_hook(self._hide)
        try:
            yield
        finally:
            handle.remove()

    def _hide(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not torch.is_grad_enabled():
            return None
        features = inputs[0]
        kept = torch.rand(features.shape, generator=self.generator) >= self.share
        return (features * to_device((kept / (1 - self.share)).to(features.dtype), features.device),)


def to_device(drawn: Tensor, device: torch.device) -> Tensor:
    """Random numbers of the CPU on a device, without waiting for what is in its queue."""
    return (drawn.pin_memory() if device.type == "cuda" else drawn).to(device, non_blocking=True)
