"""The network that reads ages: its operations, on a graph that is made up, and its files."""

import base64
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.age_network import AGE, GRAPH, WEIGHTS, AgeNetwork, decoded
from recognition.errors import InputError

#: Stride and padding of a convolution as the file has them.
STRIDE = {"strides": {"list": {"i": ["1", "2", "2", "1"]}}}


def fused(*names: str) -> dict[str, Any]:
    return {"fused_ops": {"list": {"s": [base64.b64encode(name.encode()).decode() for name in names]}}}


def node(name: str, op: str, *inputs: str, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "op": op, "input": list(inputs), "attr": attributes}


#: Red, in a convolution of stride 2, halved, added to, clipped and averaged, is the logit of 70 years.
NODES = [
    node("input_1", "Placeholder"),
    *(
        node(name, "Const")
        for name in ("kernel", "each", "half", "one", "six", "zero", "axes", "matrix", "bias")
    ),
    node("mixed", "Conv2D", "input_1", "kernel", **STRIDE),
    node("apart", "DepthwiseConv2dNative", "mixed", "each", **STRIDE),
    node("halved", "Mul", "apart", "half"),
    node("more", "Add", "halved", "one:0"),
    node("positive", "Relu", "more"),
    node("least", "Minimum", "positive", "six"),
    node("most", "Maximum", "least", "zero"),
    node("mean", "Mean", "most", "axes"),
    node("logits", "_FusedMatMul", "mean", "matrix", "bias", **fused("BiasAdd")),
    node("sigmoid", "Sigmoid", "logits"),
    node(AGE, "Softmax", "logits"),
]


def weights() -> dict[str, np.ndarray]:
    kernel = np.zeros((1, 1, 3, 2))
    kernel[0, 0, 0, 0] = 1 / 255
    matrix = np.zeros((2, 100))
    matrix[0, 70] = 10.0
    return {
        "kernel": kernel,
        "each": np.ones((1, 1, 2, 1)),
        "half": np.array(0.5),
        "one": np.array([0.25, 0.0]),
        "six": np.array(6.0),
        "zero": np.array(0.0),
        "axes": np.array([1, 2]),
        "matrix": matrix,
        "bias": np.zeros(100),
    }


def write(folder: Path, nodes: list[dict[str, Any]] = NODES, drop: int = 0) -> Path:
    entries, data = [], b""
    for name, values in weights().items():
        kind = "int32" if name == "axes" else "float32"
        entry: dict[str, Any] = {"name": name, "shape": list(values.shape), "dtype": kind}
        if name == "matrix":
            # As the package stores most of them.
            entry["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
        stored = {"axes": "<i4", "matrix": "<f2"}.get(name, "<f4")
        entries.append(entry)
        data += values.astype(stored).tobytes()
    graph = {"modelTopology": {"node": nodes}, "weightsManifest": [{"weights": entries}]}
    (folder / GRAPH).write_text(json.dumps(graph))
    (folder / WEIGHTS).write_bytes(data[: len(data) - drop])
    return folder


def test_the_graph_is_carried_out_as_by_hand(tmp_path: Path) -> None:
    faces = np.zeros((20, 112, 112, 3), np.uint8)
    faces[:, ..., 0] = np.linspace(0, 255, 20).round().astype(np.uint8)[:, None, None]
    found = AgeNetwork(write(tmp_path)).read(faces)
    logits = 10 * (0.25 + 0.5 * faces[:, 0, 0, 0] / 255)
    share = np.exp(logits) / (np.exp(logits) + 99)
    expected = share * 70 + (1 - share) * (99 * 100 / 2 - 70) / 99
    np.testing.assert_allclose(found, expected, atol=0.01)
    assert math.isclose(found[0], found.min())


def test_other_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"expected the folder with faceres\.json, found none; run 'npm pack"
    ):
        AgeNetwork(tmp_path)
    with pytest.raises(InputError, match="expected the network faceres, got another"):
        AgeNetwork(write(tmp_path, [*NODES, node("strange", "Einsum", "mean")]))
    with pytest.raises(InputError, match="expected the network faceres, got another"):
        AgeNetwork(write(tmp_path, NODES[:-1]))
    with pytest.raises(InputError, match="expected the network faceres, got another"):
        AgeNetwork(write(tmp_path, drop=4))
    (tmp_path / GRAPH).write_text("[]")
    with pytest.raises(InputError, match="expected the network faceres, got another"):
        AgeNetwork(tmp_path)


def test_a_file_that_is_longer_than_its_weights_is_refused() -> None:
    with pytest.raises(ValueError, match="4 bytes of 8"):
        decoded([{"name": "one", "shape": [1], "dtype": "float32"}], bytes(8))
    with pytest.raises(KeyError):
        decoded([{"name": "one", "shape": [1], "dtype": "string"}], bytes(8))
