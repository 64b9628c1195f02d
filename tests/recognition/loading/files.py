"""Tiny networks in other projects' formats, made here with random weights."""

from pathlib import Path

import torch
from torch import Tensor, nn

from recognition.backbones.inception_resnet import InceptionResnetV1
from recognition.backbones.ir_body import BodyIResNet


def lively(network: nn.Module, size: int = 112) -> nn.Module:
    """The network in evaluation mode, with running statistics of real activations."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        for parameter in network.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn(parameter.shape))
        network.train()
        for _ in range(2):
            network(2 * torch.rand(4, 3, size, size) - 1)
    return network.eval()


def tiny_body(*, inner_norm: bool, excitation: bool = False, affine: bool = True) -> nn.Module:
    """AdaFace's (with `inner_norm`) or InsightFace_Pytorch's IResNet, two units a stage and few channels."""
    torch.manual_seed(0)
    # Excitation divides the channels by 16.
    channels = (16, 32, 48, 64) if excitation else (2, 3, 4, 5)
    return lively(
        BodyIResNet(
            units=(2, 1, 2, 2),
            channels=channels,
            embedding_size=8,
            inner_norm=inner_norm,
            excitation=excitation,
            affine=affine,
        )
    )


def tiny_facenet() -> nn.Module:
    """facenet-pytorch's network, a sixteenth as wide."""
    torch.manual_seed(0)
    return lively(InceptionResnetV1(width=2, embedding_size=8), 80)


def save(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def state_of(network: nn.Module) -> dict[str, Tensor]:
    return dict(network.state_dict())
