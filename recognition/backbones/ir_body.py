"""IResNet in the layout of TreB1eN's InsightFace_Pytorch and AdaFace: `input_layer`, `body`, `output_layer`.

Sources: Deng et al., arXiv:1801.07698; Kim et al., arXiv:2204.00964 (a further BatchNorm in each unit);
Hu et al., arXiv:1709.01507 (squeeze and excitation). Parameter names are those of the two
projects' files, so that their state dicts load unchanged.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition.backbones.pointwise import Pointwise
from recognition.errors import InputError

#: Side of the last feature map, pixels.
_MAP_SIZE = 7
#: Factor by which squeeze and excitation reduces the channels in its bottleneck.
_REDUCTION = 16


class SqueezeExcitation(nn.Module):
    """Squeeze and excitation: scales each channel by a factor computed from the means of all channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // _REDUCTION, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // _REDUCTION, channels, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        means = features.mean((2, 3), keepdim=True)
        return features * torch.sigmoid(self.fc2(F.relu(self.fc1(means))))


class BodyUnit(nn.Module):
    """BN-Conv-[BN]-PReLU-Conv-BN-[squeeze and excitation] with a shortcut."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, *, inner_norm: bool, excitation: bool
    ) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module = nn.MaxPool2d(1, stride)
        if in_channels != out_channels:
            self.shortcut_layer = nn.Sequential(
                Pointwise(in_channels, out_channels, stride), nn.BatchNorm2d(out_channels)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=False),
            *([nn.BatchNorm2d(out_channels)] if inner_norm else []),
            nn.PReLU(out_channels),
            nn.Conv2d(out_channels, out_channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(out_channels),
            *([SqueezeExcitation(out_channels)] if excitation else []),
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.res_layer(features) + self.shortcut_layer(features)


class BodyIResNet(nn.Module):
    """IResNet of `BodyUnit`s, for normalised 112x112 images.

    Args:
        units: Number of residual units in each of the four stages.
        channels: Number of channels in each of the four stages.
        embedding_size: Dimensions of the output.
        inner_norm: Whether each unit has a BatchNorm after its first convolution, as in AdaFace.
        excitation: Whether each unit has squeeze and excitation, as in IR-SE networks.
        affine: Whether the last BatchNorm has weights; AdaFace's has none.

    Raises:
        InputError: If a stage has no unit or no channel.
    """

    def __init__(
        self,
        *,
        units: Sequence[int],
        channels: Sequence[int],
        embedding_size: int,
        inner_norm: bool,
        excitation: bool,
        affine: bool,
    ) -> None:
        super().__init__()
        if len(units) != 4 or len(channels) != 4 or min(*units, *channels, embedding_size) < 1:
            raise InputError(f"IResNet body: expected four stages, got units {units}, channels {channels}")
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, channels[0], 3, 1, 1, bias=False), nn.BatchNorm2d(channels[0]), nn.PReLU(channels[0])
        )
        body: list[nn.Module] = []
        before = channels[0]
        for stage, width in zip(units, channels, strict=True):
            for place in range(stage):
                stride = 1 if place else 2
                body.append(BodyUnit(before, width, stride, inner_norm=inner_norm, excitation=excitation))
                before = width
        self.body = nn.Sequential(*body)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(before),
            nn.Dropout(0.0),
            nn.Flatten(),
            nn.Linear(before * _MAP_SIZE**2, embedding_size),
            nn.BatchNorm1d(embedding_size, affine=affine),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return raw embeddings, (batch, embedding_size), of normalised images, (batch, 3, 112, 112)."""
        return self.output_layer(self.body(self.input_layer(images)))
