"""Sound files of networks for the fuzzer, in formats that the project reads and does not write."""

from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper

from tests.recognition.loading.files import graph_model, linear_model
from tests.recognition.loading.public_networks import mobilefacenet_state, sphere_state


def network_bytes(folder: Path) -> list[bytes]:
    """Return torch files of SphereFace's network and of MobileFaceNets with both kinds of last layers."""
    torch.manual_seed(0)
    states = (
        sphere_state((1, 1, 1, 1), (1, 1, 1, 1), 2, 2),
        mobilefacenet_state(nested=True, pooled=True),
        mobilefacenet_state(nested=False, dim=2),
    )
    found = []
    for state in states:
        torch.save(state, folder / "network.bin")
        found.append((folder / "network.bin").read_bytes())
    return found


def onnx_bytes(_: Path) -> list[bytes]:
    """Return a small graph, one with a function, one with a computed constant, and one of many operators."""
    plain = linear_model()
    called = linear_model()
    doubling = [helper.make_node("Add", ["a", "a"], ["b"])]
    function = helper.make_function("own", "Twice", ["a"], ["b"], doubling, [helper.make_opsetid("", 13)])
    called.functions.append(function)
    called.opset_import.append(helper.make_opsetid("own", 1))
    called.graph.node.insert(0, helper.make_node("Twice", ["x"], ["twice"], domain="own"))
    called.graph.node[1].input[0] = "twice"
    shaped = onnx.helper.make_node("ConstantOfShape", ["sizes"], ["zeros"])
    computed = linear_model()
    computed.graph.initializer.append(numpy_helper.from_array(np.array([1, 4]), "sizes"))
    computed.graph.node[1].output[0] = "product"
    computed.graph.node.extend([shaped, helper.make_node("Add", ["product", "zeros"], ["y"])])
    return [model.SerializeToString() for model in (plain, called, computed, operators())]


def operators() -> onnx.ModelProto:
    """Return a graph of operators that take sizes, indices and quantised values."""
    chance = np.random.default_rng(0)
    weights = {
        "k": chance.normal(size=(3, 2, 3, 3)),
        "scale": np.array(0.05),
        "theta": np.tile([1, 0.1, 0, 0, 1, 0.1], 2),
        "updates": np.ones(2),
        "w": chance.normal(size=(32, 4)),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "point"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "scale", "point"], ["d"]),
        helper.make_node("ConvTranspose", ["d", "k"], ["t"], strides=[2, 2], output_shape=[16, 16]),
        helper.make_node("Reshape", ["theta", "affine"], ["matrix"]),
        helper.make_node("AffineGrid", ["matrix", "size"], ["grid"]),
        helper.make_node("Slice", ["t", "start", "two", "start"], ["pair"]),
        helper.make_node("ScatterND", ["pair", "places", "updates"], ["c"], reduction="add"),
        helper.make_node("TopK", ["c", "four"], ["top", "where"], axis=3),
        helper.make_node("Flatten", ["top"], ["flat"]),
        helper.make_node("Slice", ["flat", "start", "width", "one"], ["cut"]),
        helper.make_node("Gemm", ["cut", "w"], ["product"]),
        helper.make_node("ReduceMean", ["grid"], ["mean"], keepdims=0),
        helper.make_node("Add", ["product", "mean"], ["y"]),
    ]
    numbers = {
        "affine": [2, 2, 3],
        "size": [2, 2, 4, 4],
        "places": [[0, 1, 2, 3], [0, 0, 0, 0]],
        "four": [4],
        "start": [0],
        "one": [1],
        "two": [2],
        "width": [32],
    }
    model = graph_model(nodes, weights)
    model.opset_import[0].version = 20
    arrays = {name: np.array(value) for name, value in numbers.items()} | {"point": np.array(128, np.uint8)}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in arrays.items())
    return model
