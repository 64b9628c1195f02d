"""MobileFaceNet, a small network of depthwise convolutions.

Source: Chen et al., arXiv:1804.07573. Layout and parameter names are those of InsightFace's
arcface_torch files (`mbf`, twice as wide as the paper's in its first stages), so that its state
dicts load unchanged.
"""

import math

import torch
from torch import Tensor, nn

from recognition.errors import InputError

#: Residual units between the four strides of arcface_torch's `mbf`.
UNITS = (4, 6, 2)


def _conv(
    in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, padding: int = 0, groups: int = 1
) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
    ]


class ConvUnit(nn.Module):
    """Convolution and BatchNorm, followed by PReLU unless `linear`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        padding: int = 0,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        layers = _conv(in_channels, out_channels, kernel, stride, padding, groups)
        self.layers = nn.Sequential(*layers, *([] if linear else [nn.PReLU(out_channels)]))

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)


class DepthwiseUnit(nn.Module):
    """Expand to `groups` channels, filter each one, and project; with a shortcut if `residual`."""

    def __init__(
        self, in_channels: int, out_channels: int, groups: int, stride: int, residual: bool = False
    ) -> None:
        super().__init__()
        self.residual = residual
        self.layers = nn.Sequential(
            ConvUnit(in_channels, groups),
            ConvUnit(groups, groups, 3, stride, 1, groups=groups),
            ConvUnit(groups, out_channels, linear=True),
        )

    def forward(self, features: Tensor) -> Tensor:
        out = self.layers(features)
        return features + out if self.residual else out


class ResidualUnits(nn.Module):
    """A sequence of `DepthwiseUnit`s with shortcuts."""

    def __init__(self, channels: int, units: int, groups: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(DepthwiseUnit(channels, channels, groups, 1, residual=True) for _ in range(units))
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)


class GlobalDepthwise(nn.Module):
    """A 7x7 depthwise convolution over the last map and a linear layer, to (batch, embedding_size)."""

    def __init__(self, channels: int, embedding_size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            ConvUnit(channels, channels, 7, groups=channels, linear=True),
            nn.Flatten(),
            nn.Linear(channels, embedding_size, bias=False),
            nn.BatchNorm1d(embedding_size),
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.layers(features)


class MobileFaceNet(nn.Module):
    """MobileFaceNet, for normalised 112x112 images.

    Args:
        width: Factor of every stage's channels, which are 128, 256 and 512 at 1.0.
        embedding_size: Dimensions of the output.

    Raises:
        InputError: If the width leaves less than one channel.
    """

    def __init__(self, *, width: float = 1.0, embedding_size: int = 512) -> None:
        super().__init__()
        if not 1 / 64 <= width < math.inf:
            raise InputError(f"MobileFaceNet width: expected at least 1/64, got {width}")
        early, late, last = (round(channels * width) for channels in (128, 256, 512))
        narrow, middle, wide = early, late, last
        self.embedding_size = embedding_size
        self.layers = nn.ModuleList(
            [
                ConvUnit(3, early, 3, 2, 1),
                # Groups of two channels, as in the published files, and of one where they cannot be paired.
                ConvUnit(early, early, 3, 1, 1, groups=early if early % 2 else early // 2),
                DepthwiseUnit(early, early, narrow, 2),
                ResidualUnits(early, UNITS[0], narrow),
                DepthwiseUnit(early, late, middle, 2),
                ResidualUnits(late, UNITS[1], middle),
                DepthwiseUnit(late, late, wide, 2),
                ResidualUnits(late, UNITS[2], middle),
            ]
        )
        self.conv_sep = ConvUnit(late, last)
        self.features = GlobalDepthwise(last, embedding_size)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Return raw embeddings, (batch, embedding_size), of normalised images, (batch, 3, 112, 112)."""
        features = images
        for layer in self.layers:
            features = layer(features)
        return torch.as_tensor(self.features(self.conv_sep(features)))
