"""A small network with residual units, for tests of students that lack some of them."""

from pathlib import Path

import torch
from torch import nn

from recognition.backbones import build_backbone
from recognition.export import export_onnx
from recognition.recogniser import Preprocessing, Recogniser


def residual_network() -> nn.Module:
    """Return an IResNet-18, of whose eight units four keep the size of the map."""
    torch.manual_seed(0)
    network = build_backbone("iresnet18", width=1 / 16, embedding_size=8)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return network


def as_teacher(backbone: nn.Module, folder: Path) -> Path:
    """Write a network as teacher.onnx and return its path."""
    path = folder / "teacher.onnx"
    export_onnx(Recogniser(backbone, name="teacher", preprocessing=Preprocessing()), path)
    return path
