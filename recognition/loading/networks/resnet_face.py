"""The residual networks for grey faces of arcface-pytorch (`resnet_face18`).

Source: layout and parameter names are those of ronghuaiyang/arcface-pytorch, models/resnet.py (`ResNetFace`,
`IRBlock`, `SEBlock`).
"""

import torch.nn.functional as F
from torch import Tensor, nn

#: Side of the last feature map: 128 pixels, halved by the pooling and by three stages.
MAP_SIZE = 8


class Excitation(nn.Module):
    """Squeeze and excitation of linear layers, with a PReLU of one slope between them."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, hidden), nn.PReLU(), nn.Linear(hidden, channels), nn.Sigmoid()
        )

    def forward(self, features: Tensor) -> Tensor:
        return features * self.fc(features.mean((2, 3)))[:, :, None, None]


class Unit(nn.Module):
    """BN-Conv-BN-PReLU-Conv-BN-[squeeze and excitation] with a shortcut and the same PReLU behind it.

    Args:
        inputs: Channels of the input and of the first convolution.
        outputs: Channels of the output.
        stride: Stride of the second convolution.
        hidden: Numbers in the middle of squeeze and excitation; 0 leaves it out.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, hidden: int) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, inputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.prelu = nn.PReLU()
        self.conv2 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.se = Excitation(outputs, hidden) if hidden else None
        self.downsample: nn.Sequential | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, features: Tensor) -> Tensor:
        shortcut = features if self.downsample is None else self.downsample(features)
        features = self.bn2(self.conv2(self.prelu(self.bn1(self.conv1(self.bn0(features))))))
        features = features if self.se is None else self.se(features)
        return self.prelu(features + shortcut)


class ResNetFace(nn.Module):
    """Residual network for normalised grey images, shape (batch, 1, 128, 128).

    Args:
        units: Number of residual units in each of the four stages.
        channels: Number of channels in each of the four stages.
        hidden: Numbers in the middle of each stage's squeeze and excitation; 0 leaves it out.
        embedding_size: Dimensions of the output.
    """

    def __init__(self, units: list[int], channels: list[int], hidden: list[int], embedding_size: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels[0])
        self.prelu = nn.PReLU()
        before = channels[0]
        for stage in range(4):
            layers = []
            for place in range(units[stage]):
                stride = 2 if stage and not place else 1
                layers.append(Unit(before, channels[stage], stride, hidden[stage]))
                before = channels[stage]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*layers))
        self.bn4 = nn.BatchNorm2d(before)
        self.fc5 = nn.Linear(before * MAP_SIZE**2, embedding_size)
        self.bn5 = nn.BatchNorm1d(embedding_size)

    def forward(self, images: Tensor) -> Tensor:
        """Return raw embeddings, (batch, embedding_size)."""
        features = F.max_pool2d(self.prelu(self.bn1(self.conv1(images))), 2)
        for stage in range(1, 5):
            features = self.get_submodule(f"layer{stage}")(features)
        return self.bn5(self.fc5(self.bn4(features).flatten(1)))
