"""Random views of images and of features, drawn from an explicit generator."""

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RandomView:
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
        transform = torch.zeros(batch, 2, 3)
        transform[:, 0, 0] = mirror / factors
        transform[:, 1, 1] = 1 / factors
        transform[:, :, 2] = shifts * 2 / size
        grid = F.affine_grid(transform.to(images), list(images.shape), align_corners=False)
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
        for index, (down, right) in enumerate((shifts + margin).tolist()):
            view = padded[index, :, down : down + height, right : right + width]
            views.append(view.flip(-1) if mirror[index] < 0 else view)
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
        return (features * (kept / (1 - self.share)).to(features),)
