"""IResNet, the improved residual network of the ArcFace paper.

Source: Deng et al., arXiv:1801.07698, section 3.1 (BN-Conv-BN-PReLU-Conv-BN units and the
BN-Dropout-FC-BN output). Parameter names are those of InsightFace's arcface_torch files, so
that its state dicts load unchanged.
"""

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition.backbones.pointwise import Pointwise
from recognition.errors import InputError

#: Residual units in each of the four stages.
DEPTHS: dict[int, tuple[int, int, int, int]] = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 14, 3),
    100: (3, 13, 30, 3),
    200: (6, 26, 60, 6),
}

#: Side of the square input, pixels.
INPUT_SIZE = 112
#: Side of the last feature map: the input halved by each of the four stages.
LAST_MAP_SIZE = INPUT_SIZE // 16


class ResidualUnit(nn.Module):
    """BN-Conv-BN-PReLU-Conv-BN with a shortcut, (batch, in, h, w) to (batch, out, h/stride, w/stride)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.prelu = nn.PReLU(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                Pointwise(in_channels, out_channels, stride),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, features: Tensor) -> Tensor:
        shortcut = features if self.downsample is None else self.downsample(features)
        features = self.prelu(self.bn2(self.conv1(self.bn1(features))))
        return self.bn3(self.conv2(features)) + shortcut


class IResNet(nn.Module):
    """IResNet of any depth and width, for normalised images of 112x112 pixels or fewer.

    Args:
        depth: A key of `DEPTHS`.
        width: Factor of every stage's channels, which are 64, 128, 256 and 512 at 1.0.
        embedding_size: Dimensions of the output.
        dropout: Probability of dropout before the fully connected layer.

    Raises:
        InputError: If the depth is unknown, or the width leaves less than one channel.
    """

    #: Whether the network takes images of other sizes than 112x112.
    takes_any_size = True

    def __init__(
        self,
        *,
        depth: int = 50,
        width: float = 1.0,
        embedding_size: int = 512,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise InputError(f"IResNet depth: expected one of {sorted(DEPTHS)}, got {depth}")
        if not 1 / 64 <= width < math.inf:
            raise InputError(f"IResNet width: expected at least 1/64, got {width}")
        channels = [round(stage * width) for stage in (64, 128, 256, 512)]
        self.embedding_size = embedding_size
        self.conv1 = nn.Conv2d(3, channels[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels[0])
        self.prelu = nn.PReLU(channels[0])
        before = [channels[0], *channels[:3]]
        for stage, units in enumerate(DEPTHS[depth]):
            self.add_module(f"layer{stage + 1}", _stage(before[stage], channels[stage], units))
        self.bn2 = nn.BatchNorm2d(channels[3])
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels[3] * LAST_MAP_SIZE**2, embedding_size)
        self.features = nn.BatchNorm1d(embedding_size)
        # Normalisation removes the embedding's scale, so this weight stays one, as in the published
        # networks.
        nn.init.constant_(self.features.weight, 1.0)
        self.features.weight.requires_grad_(False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.1)

    def forward(self, images: Tensor) -> Tensor:
        """Return raw embeddings, (batch, embedding_size), of normalised images, (batch, 3, side, side)."""
        features = self.prelu(self.bn1(self.conv1(images)))
        for stage in range(1, 5):
            features = self.get_submodule(f"layer{stage}")(features)
        features = self.bn2(features)
        if features.shape[-1] != LAST_MAP_SIZE:
            # Images of another size, such as those that a training may begin with.
            features = F.interpolate(features, LAST_MAP_SIZE, mode="bilinear")
        features = self.dropout(torch.flatten(features, 1))
        return self.features(self.fc(features))


def _stage(in_channels: int, out_channels: int, units: int) -> nn.Sequential:
    first = ResidualUnit(in_channels, out_channels, stride=2)
    rest = [ResidualUnit(out_channels, out_channels, stride=1) for _ in range(units - 1)]
    return nn.Sequential(first, *rest)


iresnet18 = partial(IResNet, depth=18)
iresnet34 = partial(IResNet, depth=34)
iresnet50 = partial(IResNet, depth=50)
iresnet100 = partial(IResNet, depth=100)
iresnet200 = partial(IResNet, depth=200)
