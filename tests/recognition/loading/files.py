"""Tiny networks and files in other projects' formats, made with random weights."""

import os
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from recognition.backbones import build_backbone
from recognition.backbones.inception_resnet import InceptionResnetV1
from recognition.backbones.ir_body import BodyIResNet


def with_statistics(network: nn.Module, size: int = 112) -> nn.Module:
    """Return the network in evaluation mode, with running statistics of real activations."""
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
    """Return AdaFace's (with `inner_norm`) or InsightFace_Pytorch's IResNet with few units and channels."""
    torch.manual_seed(0)
    # Excitation divides the channels by 16.
    channels = (16, 32, 48, 64) if excitation else (2, 3, 4, 5)
    return with_statistics(
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
    """Return facenet-pytorch's network at a sixteenth of its width."""
    torch.manual_seed(0)
    return with_statistics(InceptionResnetV1(width=2, embedding_size=8), 80)


def save(path: Path, content: object) -> Path:
    """Write a file with torch.save and return its path."""
    torch.save(content, path)
    return path


def state_of(network: nn.Module) -> dict[str, Tensor]:
    """Return the network's state dict as a plain dict."""
    return dict(network.state_dict())


class Bomb:
    """Creates a folder when it is unpickled."""

    def __init__(self, victim: Path) -> None:
        self.victim = str(victim)

    def __reduce__(self):
        return os.mkdir, (self.victim,)


def tiny_backbone(name: str = "iresnet18", width: float = 1 / 32, embedding_size: int = 8) -> nn.Module:
    """Return a tiny backbone of this project with running statistics of random images."""
    torch.manual_seed(0)
    backbone = build_backbone(name, width=width, embedding_size=embedding_size)
    # Statistics that differ from a fresh network's show whether they are loaded.
    backbone.train()
    backbone(torch.rand(4, 3, 112, 112))
    return backbone.eval()


def expected_embeddings(backbone: nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the unit-norm embeddings of images in [0, 1] under InsightFace's preprocessing."""
    with torch.no_grad():
        return F.normalize(backbone(2 * images - 1))


def export_onnx(backbone: nn.Module, path: Path, size: int, **options) -> None:
    """Write an ONNX file with a dynamic batch, by torch's legacy exporter."""
    with warnings.catch_warnings():
        # The exporter that the error messages recommend is deprecated.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            backbone,
            (torch.zeros(1, 3, size, size),),
            path,
            dynamo=False,
            input_names=["images"],
            output_names=["embeddings"],
            dynamic_axes={"images": {0: "batch"}, "embeddings": {0: "batch"}},
            **options,
        )


def run_onnx(path: Path, images: torch.Tensor) -> torch.Tensor:
    """Return onnxruntime's unit-norm embeddings of prepared images."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (embeddings,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    return F.normalize(torch.from_numpy(embeddings))


def graph_model(
    nodes: list[onnx.NodeProto],
    weights: dict[str, np.ndarray],
    *,
    shape: tuple = ("batch", 3, 8, 8),
    output_shape: tuple = ("batch", None),
    more_inputs: tuple[str, ...] = (),
) -> onnx.ModelProto:
    """Return a graph from `x`, images of 8x8 pixels, to `y`."""
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", *more_inputs)]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, output_shape)
    stored = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "graph", inputs, [output], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def linear_model(**options) -> onnx.ModelProto:
    """Return a graph of Flatten and Gemm from 8x8 images to 4 dimensions."""
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("Gemm", ["flat", "w"], ["y"])]
    weights = {"w": np.random.default_rng(0).normal(size=(192, 4))}
    return graph_model(nodes, weights, **options)
