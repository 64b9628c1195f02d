"""Inception-ResNet-v1, the network of FaceNet.

Sources: Szegedy et al., arXiv:1602.07261 (the v1 layout); Schroff et al., arXiv:1503.03832. Parameter
names, the factors of the residuals and BatchNorm's epsilon are those of facenet-pytorch's files, so
that its state dicts load unchanged.
"""

import torch
from torch import Tensor, nn

#: Epsilon of every BatchNorm.
_EPSILON = 1e-3
#: Dimensions of the published networks' embeddings.
_EMBEDDING = 512


class Conv(nn.Module):
    """Convolution, BatchNorm and ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int] = 1,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=_EPSILON)

    def forward(self, features: Tensor) -> Tensor:
        return torch.relu(self.bn(self.conv(features)))


class Branches(nn.Module):
    """Parallel branches `branch0`, `branch1`, ..., whose outputs are concatenated along the channels."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__()
        self._count = len(branches)
        for number, branch in enumerate(branches):
            self.add_module(f"branch{number}", branch)

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([self.get_submodule(f"branch{n}")(features) for n in range(self._count)], 1)


class ResidualBranches(Branches):
    """Parallel branches, whose output is projected, scaled and added to their input."""

    def __init__(
        self, channels: int, inner: int, scale: float, *branches: nn.Module, linear: bool = False
    ) -> None:
        super().__init__(*branches)
        self.conv2d = nn.Conv2d(inner, channels, 1)
        self._scale = scale
        self._linear = linear

    def forward(self, features: Tensor) -> Tensor:
        out = self.conv2d(super().forward(features)) * self._scale + features
        return out if self._linear else torch.relu(out)


def _block35(w: int) -> ResidualBranches:
    return ResidualBranches(
        8 * w,
        3 * w,
        0.17,
        Conv(8 * w, w),
        nn.Sequential(Conv(8 * w, w), Conv(w, w, 3, 1, 1)),
        nn.Sequential(Conv(8 * w, w), Conv(w, w, 3, 1, 1), Conv(w, w, 3, 1, 1)),
    )


def _block17(w: int) -> ResidualBranches:
    first = Conv(28 * w, 4 * w)
    second = nn.Sequential(
        Conv(28 * w, 4 * w), Conv(4 * w, 4 * w, (1, 7), 1, (0, 3)), Conv(4 * w, 4 * w, (7, 1), 1, (3, 0))
    )
    return ResidualBranches(28 * w, 8 * w, 0.10, first, second)


def _block8(w: int, *, last: bool = False) -> ResidualBranches:
    first = Conv(56 * w, 6 * w)
    second = nn.Sequential(
        Conv(56 * w, 6 * w), Conv(6 * w, 6 * w, (1, 3), 1, (0, 1)), Conv(6 * w, 6 * w, (3, 1), 1, (1, 0))
    )
    return ResidualBranches(56 * w, 12 * w, 1.0 if last else 0.20, first, second, linear=last)


class InceptionResnetV1(nn.Module):
    """Inception-ResNet-v1, for normalised images of at least 80x80 pixels; trained with 160x160.

    Args:
        width: Channels of the first convolution, 32 in the published networks; all others are in proportion.
        embedding_size: Dimensions of the output.
    """

    def __init__(self, *, width: int = 32, embedding_size: int = _EMBEDDING) -> None:
        super().__init__()
        w = width
        self.conv2d_1a = Conv(3, w, 3, 2)
        self.conv2d_2a = Conv(w, w, 3)
        self.conv2d_2b = Conv(w, 2 * w, 3, 1, 1)
        self.maxpool_3a = nn.MaxPool2d(3, 2)
        self.conv2d_3b = Conv(2 * w, 5 * w // 2)
        self.conv2d_4a = Conv(5 * w // 2, 6 * w, 3)
        self.conv2d_4b = Conv(6 * w, 8 * w, 3, 2)
        self.repeat_1 = nn.Sequential(*(_block35(w) for _ in range(5)))
        self.mixed_6a = Branches(
            Conv(8 * w, 12 * w, 3, 2),
            nn.Sequential(Conv(8 * w, 6 * w), Conv(6 * w, 6 * w, 3, 1, 1), Conv(6 * w, 8 * w, 3, 2)),
            nn.MaxPool2d(3, 2),
        )
        self.repeat_2 = nn.Sequential(*(_block17(w) for _ in range(10)))
        self.mixed_7a = Branches(
            nn.Sequential(Conv(28 * w, 8 * w), Conv(8 * w, 12 * w, 3, 2)),
            nn.Sequential(Conv(28 * w, 8 * w), Conv(8 * w, 8 * w, 3, 2)),
            nn.Sequential(Conv(28 * w, 8 * w), Conv(8 * w, 8 * w, 3, 1, 1), Conv(8 * w, 8 * w, 3, 2)),
            nn.MaxPool2d(3, 2),
        )
        self.repeat_3 = nn.Sequential(*(_block8(w) for _ in range(5)))
        self.block8 = _block8(w, last=True)
        self.last_linear = nn.Linear(56 * w, embedding_size, bias=False)
        self.last_bn = nn.BatchNorm1d(embedding_size, eps=_EPSILON)

    def forward(self, images: Tensor) -> Tensor:
        """Return raw embeddings, (batch, embedding_size), of normalised images, (batch, 3, h, w)."""
        features = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(images)))
        features = self.conv2d_3b(self.maxpool_3a(features))
        features = self.conv2d_4b(self.conv2d_4a(features))
        features = self.mixed_6a(self.repeat_1(features))
        features = self.mixed_7a(self.repeat_2(features))
        features = self.block8(self.repeat_3(features))
        return self.last_bn(self.last_linear(features.mean((2, 3))))
