"""A small network with a convolution, tokens and a LayerNorm, and images for it."""

import torch
from torch import Tensor, nn

from recognition.recogniser import Preprocessing, Recogniser
from recognition.source import Source


class Tokens(nn.Module):
    """A convolution, tokens, a LayerNorm and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, 2)
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 5)

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.conv(images).flatten(2).transpose(1, 2)
        return self.head(self.norm(tokens).mean(1))


def token_recogniser() -> Recogniser:
    """Return the network, for images of 9x9 pixels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Tokens()
    preprocessing = Preprocessing(mean=0.0, std=1.0, input_size=9)
    return Recogniser(
        network, name="tokens", preprocessing=preprocessing, source=Source(sha256="ab" * 32)
    ).freeze()


def some_images(count: int = 7, seed: int = 0) -> Tensor:
    """Return random images of 9x9 pixels."""
    return torch.rand(count, 3, 9, 9, generator=torch.Generator().manual_seed(seed))
