"""Networks from ONNX graphs: embeddings, gradients and sizes, and the graphs that are refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from recognition.errors import InputError
from recognition.loading import load
from recognition.recogniser import Preprocessing
from tests.recognition.loading.files import (
    expected_embeddings,
    export_onnx,
    graph_model,
    linear_model,
    run_onnx,
    tiny_backbone,
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[nn.Module, Path]:
    """Return a tiny network and its ONNX file with a dynamic batch."""
    backbone = tiny_backbone()
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    export_onnx(backbone, path, 112, opset_version=17)
    return backbone, path


def test_an_onnx_file_gives_onnxruntimes_embeddings(exported, images):
    backbone, path = exported
    recogniser = load(path)
    torch.testing.assert_close(recogniser(images), run_onnx(path, 2 * images - 1), atol=1e-4, rtol=0)
    torch.testing.assert_close(recogniser(images), expected_embeddings(backbone, images), atol=1e-4, rtol=0)
    assert recogniser.preprocessing == Preprocessing()
    assert recogniser.name == "tiny"
    assert not any(module.training for module in recogniser.modules())


@pytest.mark.parametrize("name", ["iresnet18", "mobilefacenet"])
def test_a_file_exported_as_the_messages_recommend_is_loaded(name, images, tmp_path):
    backbone = tiny_backbone(name)
    path = tmp_path / "exported.onnx"
    export_onnx(backbone, path, 112)
    torch.testing.assert_close(load(path)(images), expected_embeddings(backbone, images), atol=1e-4, rtol=0)


def test_gradients_flow_to_the_images_of_an_onnx_network(exported, images):
    backbone, path = exported
    leaf, other = images.clone().requires_grad_(), images.clone().requires_grad_()
    load(path)(leaf)[:, 0].sum().backward()
    F.normalize(backbone(2 * other - 1))[:, 0].sum().backward()
    assert leaf.grad.abs().max() > 0
    torch.testing.assert_close(leaf.grad, other.grad, atol=1e-5, rtol=1e-3)


def test_a_networks_own_image_size_is_used(tmp_path):
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 31 * 31, 6)).eval()
    path = tmp_path / "small.onnx"
    export_onnx(backbone, path, 64)
    recogniser = load(path)
    assert recogniser.input_size == 64
    images = torch.rand(3, 3, 64, 64)
    torch.testing.assert_close(recogniser(images), expected_embeddings(backbone, images), atol=1e-5, rtol=0)


def test_a_dynamic_image_size_is_112(tmp_path):
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])]
    onnx.save(graph_model(nodes, {}, shape=("n", 3, "height", "width")), tmp_path / "any.onnx")
    assert load(tmp_path / "any.onnx").input_size == 112


def test_a_network_that_normalises_by_itself_gets_0_to_255(tmp_path):
    nodes = [
        helper.make_node("Sub", ["x", "mean"], ["centred"]),
        helper.make_node("Mul", ["centred", "factor"], ["scaled"]),
        helper.make_node("Flatten", ["scaled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["y"]),
    ]
    weights = {
        "mean": np.array([127.5]),
        "factor": np.array([1 / 127.5]),
        "w": np.random.default_rng(0).normal(size=(192, 4)),
    }
    path = tmp_path / "own.onnx"
    onnx.save(graph_model(nodes, weights), path)
    recogniser, images = load(path), torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(recogniser(images), run_onnx(path, 255 * images), atol=1e-4, rtol=0)


def test_a_conventional_graph_is_converted(tmp_path):
    generator = np.random.default_rng(0)
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "scale", "bias", "mean", "variance"], ["b"]),
        helper.make_node("PRelu", ["b", "slope"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["y"]),
    ]
    weights = {
        "kernel": generator.normal(size=(5, 3, 3, 3)),
        "scale": generator.uniform(0.5, 2, 5),
        "bias": generator.normal(size=5),
        "mean": generator.normal(size=5),
        "variance": generator.uniform(0.5, 2, 5),
        "slope": generator.uniform(0, 1, (5, 1, 1)),
        "w": generator.normal(size=(5, 4)),
    }
    path = tmp_path / "conventional.onnx"
    onnx.save(graph_model(nodes, weights), path)
    recogniser, images = load(path), torch.rand(3, 3, 8, 8)
    torch.testing.assert_close(recogniser(images), run_onnx(path, 2 * images - 1), atol=1e-4, rtol=0)
    assert sum(isinstance(module, nn.BatchNorm2d) for module in recogniser.modules()) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": ("n", 192)}, r"expected one image input \(batch, 3, height, width\), got 1 inputs"),
        ({"shape": ("n", 2, 8, 24)}, "expected one image input"),
        ({"shape": ()}, "expected one image input"),
        ({"shape": ("n", 3, 4, 16)}, "square or higher than wide, as 112x96, got 4x16"),
        ({"shape": ("n", 3, 4096, 4096)}, "expected an input of at most 1024 pixels a side, got 4096"),
        ({"more_inputs": ("z",)}, "expected one image input .*, got 2 inputs"),
    ],
)
def test_other_inputs_are_refused(options, message, tmp_path):
    path = tmp_path / "other.onnx"
    onnx.save(linear_model(**options), path)
    with pytest.raises(InputError, match=message):
        load(path)


def test_outputs_that_are_no_embeddings_are_refused(tmp_path):
    path = tmp_path / "maps.onnx"
    model = graph_model([helper.make_node("Relu", ["x"], ["y"])], {}, output_shape=("batch", 3, 8, 8))
    onnx.save(model, path)
    with pytest.raises(InputError, match=r"expected embeddings \(batch, dim\), got an output of shape"):
        load(path)


@pytest.mark.parametrize("sizes", [[1, 192], [1, -1], [-1, 192], [0, -1]])
def test_a_graph_with_a_fixed_batch_size_takes_any_batch(sizes, tmp_path):
    nodes = [
        helper.make_node("Reshape", ["x", "shape"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["y"]),
    ]
    weights = {"w": np.random.default_rng(0).normal(size=(192, 4))}
    model = graph_model(nodes, weights, shape=(1, 3, 8, 8), output_shape=(1, 4))
    model.graph.initializer.append(numpy_helper.from_array(np.array(sizes), "shape"))
    path = tmp_path / "single.onnx"
    onnx.save(model, path)
    images = torch.rand(3, 3, 8, 8)
    expected = torch.cat([run_onnx(path, 2 * image[None] - 1) for image in images])
    torch.testing.assert_close(load(path)(images), expected, atol=1e-5, rtol=0)


def test_a_graph_that_mixes_the_images_of_its_batch_is_refused(tmp_path):
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[0]),
        helper.make_node("Sub", ["x", "m"], ["d"]),
        helper.make_node("Flatten", ["d"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w"], ["y"]),
    ]
    model = graph_model(nodes, {"w": np.ones((192, 4))}, shape=(4, 3, 8, 8), output_shape=(4, 4))
    path = tmp_path / "mixing.onnx"
    onnx.save(model, path)
    with pytest.raises(InputError, match=r"mixing\.onnx: was exported for a fixed batch, and mixes"):
        load(path)


def test_a_fixed_batch_with_a_root_is_not_said_to_mix_its_images(tmp_path):
    """A root has no values of negative pixels, and what is not a number equals nothing."""
    nodes = [
        helper.make_node("Div", ["x", "white"], ["d"]),
        helper.make_node("Sqrt", ["d"], ["r"]),
        helper.make_node("Flatten", ["r"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["y"]),
    ]
    weights = {"white": np.array(255.0), "w": np.random.default_rng(0).normal(size=(192, 4))}
    path, images = tmp_path / "root.onnx", torch.rand(1, 3, 8, 8)
    onnx.save(graph_model(nodes, weights, shape=(1, 3, 8, 8), output_shape=(1, 4)), path)
    torch.testing.assert_close(load(path)(images), run_onnx(path, 255 * images), atol=1e-5, rtol=0)


@pytest.mark.parametrize("operator", ["Det", "NonMaxSuppression"])
def test_operators_that_cannot_be_converted_are_refused(operator, tmp_path):
    names = ["x"] if operator == "Det" else ["x", "x"]
    path = tmp_path / "odd.onnx"
    onnx.save(graph_model([helper.make_node(operator, names, ["y"])], {}), path)
    with pytest.raises(InputError, match=r"odd\.onnx: "):
        load(path)


def test_two_outputs_are_refused(tmp_path):
    model = linear_model()
    model.graph.node.append(helper.make_node("Relu", ["y"], ["z"]))
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ("batch", 4)))
    path = tmp_path / "two.onnx"
    onnx.save(model, path)
    with pytest.raises(InputError, match=r"two\.onnx: "):
        load(path)


@pytest.mark.parametrize("constant", [False, True], ids=["initializer", "constant"])
@pytest.mark.parametrize("location", ["../secret.bin", "secret.bin", "/absolute"])
def test_external_data_is_not_read(location, constant, tmp_path, monkeypatch):
    secret, folder = tmp_path / "secret.bin", tmp_path / "network"
    secret.write_bytes(np.ones((192, 4), dtype=np.float32).tobytes())
    folder.mkdir()
    # The working directory is where a careless reader would look for the data.
    monkeypatch.chdir(folder if location.startswith("..") else tmp_path)
    model = linear_model()
    tensor = model.graph.initializer[0]
    if constant:
        model.graph.node.insert(0, helper.make_node("Constant", [], ["w"], value=tensor))
        del model.graph.initializer[:]
        tensor = model.graph.node[0].attribute[0].t
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", str(secret) if location == "/absolute" else location
    (folder / "external.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=r"external\.onnx: "):
        load(folder / "external.onnx")


def test_an_onnx_file_with_data_beside_it_is_refused_as_external(tmp_path):
    path = tmp_path / "split.onnx"
    onnx.save(linear_model(), path, save_as_external_data=True, location="split.onnx.data", size_threshold=0)
    assert (tmp_path / "split.onnx.data").exists()
    with pytest.raises(InputError, match="external"):
        load(path)


@pytest.mark.shared
def test_insightfaces_mobilefacenet_equals_onnxruntime(shared, images):
    path = shared / "models/mobilefacenet_y1.onnx"
    recogniser = load(path)
    torch.testing.assert_close(recogniser(images), run_onnx(path, 2 * images - 1), atol=1e-4, rtol=0)
    norms = [module for module in recogniser.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 49
    assert not any(norm.training for norm in norms)
    assert not any(parameter.requires_grad for parameter in recogniser.parameters())
    assert recogniser(images).shape == (2, 128)


@pytest.mark.shared
def test_the_folded_mobilefacenet_is_the_same_network(shared, images):
    whole = load(shared / "models/mobilefacenet_y1.onnx")
    folded = load(shared / "models/mobilefacenet_y1_folded.onnx")
    torch.testing.assert_close(folded(images), whole(images), atol=1e-4, rtol=0)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
