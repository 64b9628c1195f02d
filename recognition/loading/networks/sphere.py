"""SphereFace's network without normalisation layers, as sphereface_pytorch names its parameters.

Source: Liu et al., arXiv:1704.08063, table 2; names of clcarwin/sphereface_pytorch, net_sphere.py.
"""

from collections.abc import Sequence

from torch import Tensor, nn

#: Stages, each of which begins with a stride of 2.
STAGES = (1, 2, 3, 4)
#: Rows and columns of the last feature map, for images of 112x96 pixels.
SIDES = (7, 6)


class SphereNet(nn.Module):
    """A strided convolution in each stage, and residual pairs of convolutions after it.

    Args:
        layers: Number of convolutions of each stage, odd.
        channels: Number of channels of each stage.
        embedding_size: Number of dimensions of an embedding.
    """

    def __init__(self, layers: Sequence[int], channels: Sequence[int], embedding_size: int) -> None:
        super().__init__()
        self._layers = list(layers)
        inputs = 3
        for stage, count, outputs in zip(STAGES, layers, channels, strict=True):
            for number in range(1, count + 1):
                stride = 2 if number == 1 else 1
                self.add_module(f"conv{stage}_{number}", nn.Conv2d(inputs, outputs, 3, stride, 1))
                self.add_module(f"relu{stage}_{number}", nn.PReLU(outputs))
                inputs = outputs
        self.fc5 = nn.Linear(inputs * SIDES[0] * SIDES[1], embedding_size)

    def forward(self, images: Tensor) -> Tensor:
        """Return raw embeddings, (batch, dim), of normalised images, (batch, 3, 112, 96)."""
        features = images
        for stage, count in zip(STAGES, self._layers, strict=True):
            features = self._convolved(stage, 1, features)
            for number in range(2, count, 2):
                features = features + self._convolved(
                    stage, number + 1, self._convolved(stage, number, features)
                )
        return self.fc5(features.flatten(1))

    def _convolved(self, stage: int, number: int, features: Tensor) -> Tensor:
        convolved = self.get_submodule(f"conv{stage}_{number}")(features)
        activated: Tensor = self.get_submodule(f"relu{stage}_{number}")(convolved)
        return activated
