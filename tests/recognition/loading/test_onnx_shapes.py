"""Shapes that operators of an ONNX graph refuse, and the batch, which they keep whatever its size."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from recognition.errors import InputError
from recognition.loading.onnx_network import OnnxNetwork
from tests.recognition.loading.test_onnx_operators import SIDE, compare, floats, ints, model_of, node

REFUSED: dict[str, tuple[list[onnx.NodeProto], dict[str, np.ndarray], str]] = {
    **{
        f"{name} of volumes": (
            [node("Reshape", "x shape", "r"), node(name, "r", "y", kernel_shape=[2, 2, 2])],
            {"shape": ints(0, 3, 4, 3, 3)},
            f"{name} '': expected \\(batch, channels, h, w\\) or .*, got 5 dimensions; give the code",
        )
        for name in ("AveragePool", "MaxPool", "LpPool")
    },
    "kernel of one number": (
        [node("MaxPool", "x", "y", kernel_shape=[2])],
        {},
        r"MaxPool '': expected 2 numbers in kernel_shape, got \[2\]; get an intact copy",
    ),
    **{
        f"{name} of rows": (
            [node("Flatten", "x", "f"), node(name, "f", "y")],
            {},
            f"{name} '': expected .* with axes to pool, got 2 dimensions",
        )
        for name in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")
    },
    "depth to space of a signal": (
        [node("Reshape", "x shape", "r"), node("DepthToSpace", "r", "y", blocksize=2)],
        {"shape": ints(0, 4, 27)},
        r"DepthToSpace '': expected \(batch, channels, h, w\), got 3 dimensions",
    ),
    "gemm with rows of another batch": (
        [node("Flatten", "x", "f"), node("Gemm", "f w c", "y", transB=1)],
        {"w": floats(4, 108), "c": floats(5, 1)},
        r"Gemm '': expected a summand C that broadcasts to \(2, 4\), got \(5, 1\); export .* dynamic batch",
    ),
    "squeeze of a longer axis": (
        [node("Squeeze", "x axis", "y")],
        {"axis": ints(2)},
        "Squeeze '': expected axes of length 1, got 6",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_shapes_that_an_operator_does_not_take_are_refused_in_one_line(name):
    nodes, weights, message = REFUSED[name]
    with pytest.raises(InputError, match=message) as caught:
        OnnxNetwork(
            model_of(nodes, weights, 18), size=SIDE, fixed_batch=None, channels_last=False, file_bytes=0
        )
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("axes", [None, (2, 3), (0, 2, 3)])
def test_a_squeeze_keeps_the_batch_of_a_single_image(axes):
    given = {} if axes is None else {"axes": ints(*axes)}
    nodes = [node("GlobalAveragePool", "x", "p"), node("Squeeze", "p axes" if given else "p", "y")]
    network = OnnxNetwork(
        model_of(nodes, given, 13), size=SIDE, fixed_batch=None, channels_last=False, file_bytes=0
    )
    images = torch.rand(3, 3, SIDE, SIDE)
    for batch in (1, 2, 3):
        torch.testing.assert_close(network(images[:batch]), images[:batch].mean((2, 3)))


def test_a_squeeze_of_sizes_removes_their_axis():
    """As exporters write a view by the batch's size: the size is a list of one, and becomes a number."""
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s zero", "list"),
        node("Squeeze", "list", "b"),
        node("Unsqueeze", "b first", "u"),
        node("Concat", "u rest", "shape", axis=0),
        node("Reshape", "x shape", "y"),
    ]
    images = torch.rand(1, 3, SIDE, SIDE)
    compare(model_of(nodes, {"zero": ints(0), "first": ints(0), "rest": ints(-1)}, 13), images)


@pytest.mark.parametrize("batch", [1, 2])
def test_a_resize_to_the_sizes_of_a_fixed_batch_keeps_any_batch(batch):
    nodes = [node("Resize", "x none none sizes", "y", mode="linear")]
    weights = {"none": np.zeros(0, np.float32), "sizes": ints(1, 3, 4, 9)}
    model = model_of(nodes, weights, 13)
    images = torch.rand(batch, 3, SIDE, SIDE)
    network = OnnxNetwork(model, size=SIDE, fixed_batch=1, channels_last=False, file_bytes=0)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    expected = np.concatenate([session.run(None, {"x": image[None].numpy()})[0] for image in images])
    torch.testing.assert_close(network(images), torch.from_numpy(expected), atol=1e-5, rtol=0)
