"""ONNX files of both torch exporters, of half precision, of fixed batches, against onnxruntime."""

import io
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from recognition.backbones import build_backbone
from recognition.detection.alignment import crop_at
from recognition.detection.search import find_face
from recognition.errors import InputError
from recognition.images import to_tensor
from recognition.loading import ModelChoice, load
from recognition.loading.onnx_files import PREPROCESSING_KEY
from tests.recognition.loading.files import with_statistics

#: Largest difference between unit-norm embeddings and onnxruntime's.
TOLERANCE = 1e-4


def backbone() -> nn.Module:
    torch.manual_seed(0)
    return with_statistics(build_backbone("iresnet18", width=1 / 32, embedding_size=16))


def export(network: nn.Module, *, current: bool, fixed: bool, folded: bool, half: bool = False) -> bytes:
    """Return an ONNX file of torch's legacy or current exporter."""
    buffer = io.BytesIO()
    images = torch.zeros(1 if fixed else 2, 3, 112, 112)
    if half:
        network, images = network.half(), images.half()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if current:
            shapes = None if fixed else ({0: torch.export.Dim("batch")},)
            program = torch.onnx.export(
                network, (images,), dynamo=True, optimize=folded, verbose=False, dynamic_shapes=shapes
            )
            program.save(buffer)
        else:
            torch.onnx.export(
                network,
                (images,),
                buffer,
                dynamo=False,
                opset_version=17,
                input_names=["x"],
                dynamic_axes=None if fixed else {"x": {0: "batch"}},
                training=torch.onnx.TrainingMode.EVAL if folded else torch.onnx.TrainingMode.PRESERVE,
            )
    return buffer.getvalue()


def run_onnx(path: Path, images: torch.Tensor) -> torch.Tensor:
    """Return onnxruntime's unit-norm embeddings, image by image, of images in [0, 1]."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    values = (2 * images - 1).numpy().astype(np.float16 if "float16" in given.type else np.float32)
    rows = [session.run(None, {given.name: value[None]})[0] for value in values]
    return F.normalize(torch.from_numpy(np.concatenate(rows)).float())


@pytest.fixture(scope="module")
def pictures(astronaut) -> torch.Tensor:
    """Two images of noise, and a face."""
    face = to_tensor(crop_at(astronaut, find_face(astronaut, name="astronaut")))
    noise = torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    return torch.cat([noise, face[None]])


def quantised(path: Path, images: torch.Tensor) -> Path:
    """Write an int8 export of an ONNX file, calibrated on images, in the format of QuantizeLinear."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches = iter([{"x": (2 * image[None] - 1).numpy()} for image in images])

        def get_next(self) -> dict | None:
            return next(self.batches, None)

    out = path.with_name("int8.onnx")
    quantize_static(path, out, Reader(), quant_format=QuantFormat.QDQ, per_channel=True)
    return out


def test_an_int8_export_is_loaded_with_gradients(pictures, tmp_path):
    convolutions = nn.Conv2d(3, 4, 3, 4, 1), nn.PReLU(4), nn.Conv2d(4, 8, 3, 4, 1), nn.ReLU()
    network = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(392, 8)).eval()
    plain = tmp_path / "plain.onnx"
    plain.write_bytes(export(network, current=False, fixed=False, folded=True))
    path = quantised(plain, pictures)
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in onnx.load(path).graph.node}
    recogniser, original = load(path), load(plain)
    assert recogniser.preprocessing == original.preprocessing
    options = onnxruntime.SessionOptions()
    # Otherwise onnxruntime computes with integers, which overflow on processors without VNNI.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    (expected,) = onnxruntime.InferenceSession(path, options).run(None, {"x": (2 * pictures - 1).numpy()})
    torch.testing.assert_close(
        recogniser(pictures), F.normalize(torch.from_numpy(expected)), atol=TOLERANCE, rtol=0
    )
    gradients = []
    for one in (recogniser, original):
        images = pictures.clone().requires_grad_()
        (one(images)[:, 0].sum()).backward()
        gradients.append(images.grad.flatten())
    assert F.cosine_similarity(*gradients, dim=0) > 0.9


@pytest.mark.parametrize(
    ("current", "fixed", "folded"),
    [(False, False, True), (False, True, False), (True, False, False), (True, True, True)],
    ids=["legacy-dynamic-folded", "legacy-fixed-kept", "current-dynamic-kept", "current-fixed-folded"],
)
def test_exported_networks_equal_onnxruntime(current, fixed, folded, pictures, tmp_path):
    network = backbone()
    path = tmp_path / "network.onnx"
    path.write_bytes(export(network, current=current, fixed=fixed, folded=folded))
    recogniser = load(path)
    images = pictures.clone().requires_grad_()
    embeddings = recogniser(images)
    torch.testing.assert_close(embeddings.detach(), run_onnx(path, pictures), atol=TOLERANCE, rtol=0)
    with torch.no_grad():
        torch.testing.assert_close(embeddings, F.normalize(network(2 * pictures - 1)), atol=TOLERANCE, rtol=0)
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in recogniser.modules())
    own = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert norms < own if folded else norms == own
    embeddings[:, 0].sum().backward()
    other = pictures.clone().requires_grad_()
    F.normalize(network(2 * other - 1))[:, 0].sum().backward()
    torch.testing.assert_close(images.grad, other.grad, atol=1e-5, rtol=1e-3)


def test_a_network_of_half_precision_equals_onnxruntime(pictures, tmp_path):
    path = tmp_path / "half.onnx"
    path.write_bytes(export(backbone(), current=False, fixed=False, folded=False, half=True))
    recogniser = load(path)
    assert {parameter.dtype for parameter in recogniser.parameters()} == {torch.float32}
    expected = run_onnx(path, pictures)
    # onnxruntime rounds each layer's output to half precision; the converted network computes in float32.
    torch.testing.assert_close(recogniser(pictures), expected, atol=2e-3, rtol=0)
    assert (recogniser(pictures) * expected).sum(1).min() > 1 - TOLERANCE


def small_graph(nodes, weights, shape, *, functions=(), opset=17) -> onnx.ModelProto:
    stored = [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", "d"))
    graph = helper.make_graph(nodes, "graph", inputs, [output], stored)
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("local", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=list(functions))


def test_functions_of_the_model_and_castlike_are_inlined(tmp_path):
    """Files of torch's current exporter have functions, and constants that are cast like other values."""
    scale = helper.make_function(
        "local",
        "Scale",
        ["a"],
        ["b"],
        [
            helper.make_node("Constant", [], ["two"], value_int=2),
            helper.make_node("CastLike", ["two", "a"], ["cast"]),
            helper.make_node("Mul", ["a", "cast"], ["b"]),
        ],
        [helper.make_opsetid("", 17)],
    )
    nodes = [
        helper.make_node("Scale", ["x"], ["s"], domain="local"),
        helper.make_node("Flatten", ["s"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["y"]),
    ]
    weights = {"w": np.random.default_rng(0).normal(size=(48, 4)).astype(np.float32)}
    path = tmp_path / "functions.onnx"
    onnx.save(small_graph(nodes, weights, ("n", 3, 4, 4), functions=[scale]), path)
    images = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(load(path)(images), run_onnx(path, images), atol=1e-5, rtol=0)


def test_images_with_channels_last_are_permuted(tmp_path):
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["y"])]
    weights = {"w": np.random.default_rng(0).normal(size=(48, 4)).astype(np.float32)}
    path = tmp_path / "last.onnx"
    onnx.save(small_graph(nodes, weights, ("n", 4, 4, 3)), path)
    images = torch.rand(2, 3, 4, 4)
    recogniser = load(path)
    assert recogniser.input_size == 4
    flat = (2 * images - 1).permute(0, 2, 3, 1).flatten(1)
    expected = F.normalize(flat @ torch.from_numpy(weights["w"]))
    torch.testing.assert_close(recogniser(images), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("side", [112, 160, 224])
def test_an_open_size_is_found_by_trial(side, tmp_path):
    nodes = [
        helper.make_node("AveragePool", ["x"], ["p"], kernel_shape=[16, 16], strides=[16, 16]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["y"]),
    ]
    weights = {"w": np.ones((3 * (side // 16) ** 2, 4), dtype=np.float32)}
    path = tmp_path / "open.onnx"
    onnx.save(small_graph(nodes, weights, ("n", 3, "h", "w")), path)
    recogniser = load(path)
    assert recogniser.input_size == side
    assert f"{side} was the first that fits" in recogniser.source.reason


def test_an_open_size_is_taken_from_the_preset(tmp_path):
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])]
    path = tmp_path / "any.onnx"
    onnx.save(small_graph(nodes, {}, ("n", 3, "h", "w")), path)
    assert load(ModelChoice(path, preset="facenet")).input_size == 160
    assert load(ModelChoice(path, preset="input_size=96,channels=BGR")).input_size == 96


def test_a_preset_does_not_change_the_size_that_a_file_fixes(tmp_path):
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])]
    path = tmp_path / "fixed.onnx"
    onnx.save(small_graph(nodes, {}, ("n", 3, 48, 48)), path)
    recogniser = load(ModelChoice(path, preset="facenet"))
    assert (recogniser.input_size, recogniser.preprocessing.std) == (48, 128 / 255)


@pytest.mark.parametrize("missing", ["shape", "type"])
def test_an_output_without_a_declared_shape_is_loaded(missing, tmp_path):
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Gemm", ["f", "w"], ["y"])]
    model = small_graph(
        nodes, {"w": np.random.default_rng(0).normal(size=(48, 4)).astype("f")}, ("n", 3, 4, 4)
    )
    if missing == "type":
        model.graph.output[0].ClearField("type")
    else:
        model.graph.output[0].type.tensor_type.ClearField("shape")
    path = tmp_path / "undeclared.onnx"
    path.write_bytes(model.SerializeToString())
    images = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(load(path)(images), run_onnx(path, images), atol=1e-5, rtol=0)


def test_inputs_and_several_outputs_without_a_declared_shape_are_refused_by_name(tmp_path):
    nodes = [helper.make_node("Flatten", ["x"], ["y"]), helper.make_node("Neg", ["y"], ["z"])]
    model = small_graph(nodes, {}, ("n", 3, 4, 4))
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, None))
    model.graph.output[0].type.tensor_type.ClearField("shape")
    path = tmp_path / "undeclared.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="got y without a shape, z without a shape; give --output NAME"):
        load(path)
    assert load(ModelChoice(path, output="z")).embedding_size == 48
    model.graph.input[0].type.tensor_type.ClearField("shape")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="got 1 inputs, the first without a shape; export"):
        load(path)


def test_a_network_that_ends_in_a_squeeze_embeds_a_single_image(tmp_path):
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Squeeze", ["p"], ["y"])]
    path = tmp_path / "squeeze.onnx"
    onnx.save(small_graph(nodes, {}, ("n", 3, 4, 4)), path)
    recogniser, images = load(path), torch.rand(2, 3, 4, 4)
    alone = torch.cat([recogniser(image[None]) for image in images])
    torch.testing.assert_close(alone, F.normalize((2 * images - 1).mean((2, 3))))
    torch.testing.assert_close(recogniser(images), alone)


def test_damaged_preprocessing_in_a_file_is_refused(tmp_path):
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])]
    model = small_graph(nodes, {}, ("n", 3, 48, 48))
    entry = model.metadata_props.add()
    entry.key, entry.value = PREPROCESSING_KEY, '{"mean": "grey"}'
    path = tmp_path / "network.onnx"
    onnx.save(model, path)
    with pytest.raises(InputError, match=r"network\.onnx: damaged preprocessing"):
        load(path)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["mobilefacenet_y1", "mobilefacenet_y1_folded"])
def test_insightfaces_networks_equal_onnxruntime_on_faces(name, shared, pictures):
    path = shared / f"models/{name}.onnx"
    torch.testing.assert_close(load(path)(pictures), run_onnx(path, pictures), atol=TOLERANCE, rtol=0)
