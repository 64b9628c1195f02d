"""The losses of a decoder, each with one value for each face."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition.recogniser import Recogniser

#: Factors by which images are made smaller in the loss of pixels: low frequencies, which are the face's tones
#: and shape, then weigh more than texture, which no template determines.
REDUCTIONS = (1, 4, 16)
#: Feature maps that are compared: the last of each side from a sixteenth of the image's to a quarter, where
#: parts of a face are; larger maps see edges alone.
_SMALLEST, _LARGEST = 16, 4
#: Keeps a channel that is constant finite in its own units.
_SMALLEST_DEVIATION = 1e-6


def pixel_loss(faces: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean absolute differences, added over `REDUCTIONS`, shape (batch,).

    Args:
        faces: Shape (batch, 3, h, w).
        wanted: The same shape.
    """
    difference = faces - wanted
    total = difference.new_zeros(len(faces))
    for factor in REDUCTIONS:
        if factor <= difference.shape[-1]:
            total = total + F.avg_pool2d(difference, factor).abs().flatten(1).mean(1)
    return total


def identity_loss(embeddings: Tensor, templates: Tensor) -> Tensor:
    """Return 1 - cosine of unit-norm embeddings and templates, both (batch, dim); shape (batch,)."""
    return 1 - (embeddings * templates).sum(1)


class FeatureLoss:
    """The squared difference of inner features of a network, in units of each channel's spread over faces.

    It takes the place of a perceptual loss with weights of its own (Zhang et al., LPIPS, arXiv:1801.03924).

    Args:
        recogniser: The network, frozen.
        images: Faces that the spread is measured on, (batch, 3, h, w) in [0, 1], on the network's device.
    """

    def __init__(self, recogniser: Recogniser, images: Tensor) -> None:
        self._modules = feature_modules(recogniser, images[:1])
        with torch.no_grad(), self.collected() as features:
            recogniser(images)
        self._deviations = [
            found.float().std((0, 2, 3), correction=0).clamp_min(_SMALLEST_DEVIATION)[:, None, None]
            for found in features
        ]

    @contextlib.contextmanager
    def collected(self) -> Iterator[list[Tensor]]:
        """Collect the features of the passes of the network, in the order of its modules."""
        features: list[Tensor] = []

        def hook(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
            features.append(output)

        with contextlib.ExitStack() as stack:
            for module in self._modules:
                stack.callback(module.register_forward_hook(hook).remove)
            yield features

    def __call__(self, found: list[Tensor], wanted: list[Tensor]) -> Tensor:
        """Return the mean squared differences, averaged over the maps, (batch,); 0 of a network without maps.

        Args:
            found: The features of faces, as `collected` gives them.
            wanted: The features of the photographs.
        """
        losses = [
            ((one.float() - other.float()) / deviation).square().flatten(1).mean(1)
            for one, other, deviation in zip(found, wanted, self._deviations, strict=True)
        ]
        return torch.stack(losses).mean(0) if losses else torch.zeros(())


def feature_modules(recogniser: Recogniser, image: Tensor) -> list[nn.Module]:
    """Return the last convolution of each side of maps between the smallest and the largest that count."""
    size, last = image.shape[-1], dict[int, nn.Module]()

    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        side = output.shape[-1]
        if size / _SMALLEST <= side <= size / _LARGEST:
            last[side] = module

    with contextlib.ExitStack() as stack:
        for module in recogniser.modules():
            if isinstance(module, nn.Conv2d):
                stack.callback(module.register_forward_hook(hook).remove)
        with torch.no_grad():
            recogniser(image)
    return list(last.values())
