"""Networks that are simple enough to know what an inversion must reach, and what it starts from."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcinvert.inversion.targets.base import Target
from recognition.recogniser import Preprocessing, Recogniser

SIZE, DIM = 8, 4


def linear_recogniser() -> Recogniser:
    """Return a fixed linear map of the pixels: every template in its range can be reached exactly."""
    linear = nn.Linear(3 * SIZE * SIZE, DIM, bias=False)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        linear.weight.copy_(torch.randn(linear.weight.shape, generator=generator))
    network = nn.Sequential(nn.Flatten(), linear)
    # A centre and its opposite on every axis: by symmetry the ArcFace loss is lowest at the centre.
    centres = torch.cat([torch.eye(DIM), -torch.eye(DIM)])
    return Recogniser(
        network, name="linear", preprocessing=Preprocessing(input_size=SIZE), centres=centres
    ).freeze()


def recogniser_with_statistics() -> Recogniser:
    """Return a convolution with BatchNorm and PReLU, and a linear layer."""
    generator = torch.Generator().manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        nn.BatchNorm2d(4),
        nn.PReLU(4),
        nn.Flatten(),
        nn.Linear(4 * (SIZE - 2) ** 2, DIM),
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3)
    centres = torch.cat([torch.eye(DIM), -torch.eye(DIM)])
    preprocessing = Preprocessing(input_size=SIZE, mean=(0.5, 0.4, 0.5))
    return Recogniser(network, name="conv", preprocessing=preprocessing, centres=centres).freeze()


def templates(batch: int = 3) -> Tensor:
    """Return random unit-norm templates."""
    return F.normalize(torch.randn(batch, DIM, generator=torch.Generator().manual_seed(2)))


def start(batch: int = 3) -> Tensor:
    """Return random initial images."""
    return torch.rand(batch, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(3))


class NoTarget(Target):
    """A loss of zero everywhere, so that the penalties alone decide."""

    def __init__(self) -> None:
        super().__init__(templates())

    def __call__(self, embeddings: Tensor) -> Tensor:
        return embeddings.sum(1) * 0


def hooked_modules(network: nn.Module) -> list[str]:
    """Return the names of the modules that have a hook or a replaced forward pass."""
    return [
        name
        for name, module in network.named_modules()
        if "forward" in vars(module) or module._forward_hooks or module._forward_pre_hooks
    ]
