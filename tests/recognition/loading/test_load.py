import os
import pickle
import random
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
from recognition.backbones.iresnet import IResNet
from recognition.backbones.mobilefacenet import MobileFaceNet
from recognition.errors import InputError
from recognition.loading import BUNDLED, bundled_path, load
from recognition.recogniser import Preprocessing


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, victim: Path) -> None:
        self.victim = str(victim)

    def __reduce__(self):
        return os.mkdir, (self.victim,)


def tiny_backbone(name: str = "iresnet18", width: float = 1 / 32, embedding_size: int = 8) -> nn.Module:
    torch.manual_seed(0)
    backbone = build_backbone(name, width=width, embedding_size=embedding_size)
    # Statistics unlike a fresh network's show whether they are loaded.
    backbone.train()
    backbone(torch.rand(4, 3, 112, 112))
    return backbone.eval()


def expected_embeddings(backbone: nn.Module, images: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return F.normalize(backbone(2 * images - 1))


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple[nn.Module, Path]:
    """A tiny network and its ONNX file with a dynamic batch."""
    backbone = tiny_backbone()
    path = tmp_path_factory.mktemp("onnx") / "tiny.onnx"
    export(backbone, path, 112, opset_version=17)
    return backbone, path


def export(backbone: nn.Module, path: Path, size: int, **options) -> None:
    with warnings.catch_warnings():
        # The exporter that the recogniser's messages recommend is deprecated.
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
    """Unit-norm embeddings by onnxruntime of images that are normalised already."""
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
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", *more_inputs)]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, output_shape)
    stored = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "graph", inputs, [output], stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def linear_model(**options) -> onnx.ModelProto:
    """Flatten and Gemm: 8x8 images to 4 dimensions."""
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("Gemm", ["flat", "w"], ["y"])]
    weights = {"w": np.random.default_rng(0).normal(size=(192, 4))}
    return graph_model(nodes, weights, **options)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict_backbone": state, "epoch": 3},
        lambda state: {"state_dict": state},
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"state_dict": {f"module.backbone.{key}": value for key, value in state.items()}},
        lambda state: {f"module._orig_mod.{key}": value for key, value in state.items()},
        lambda state: {f"_orig_mod.module.{key}": value for key, value in state.items()},
    ],
    ids=["plain", "state_dict_backbone", "state_dict", "module", "backbone", "compiled", "compiled-last"],
)
def test_an_arcface_torch_backbone_is_loaded(wrap, dtype, images, tmp_path):
    backbone = tiny_backbone()
    state = {
        key: value.to(dtype) if value.is_floating_point() else value
        for key, value in backbone.state_dict().items()
    }
    path = tmp_path / "backbone.pt"
    torch.save(wrap(state), path)
    recogniser = load(path)
    tolerance = 1e-5 if dtype == torch.float32 else 5e-3
    torch.testing.assert_close(
        recogniser(images), expected_embeddings(backbone, images), atol=tolerance, rtol=0
    )
    assert recogniser.name == "backbone"
    assert recogniser.centres is None
    assert recogniser.source.architecture == {
        "network": "iresnet18",
        "width": 1 / 32,
        "embedding_size": 8,
    }
    assert not recogniser.training
    assert {parameter.dtype for parameter in recogniser.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("name", "width", "size"),
    [("iresnet34", 1 / 32, 8), ("iresnet50", 1 / 16, 12), ("iresnet100", 1 / 64, 8)],
)
def test_depth_width_and_dimensions_are_detected(name, width, size, tmp_path):
    path = tmp_path / "backbone.pth"
    torch.save(build_backbone(name, width=width, embedding_size=size).state_dict(), path)
    recogniser = load(path)
    assert isinstance(recogniser.backbone, IResNet)
    assert recogniser.source.architecture == {"network": name, "width": width, "embedding_size": size}


@pytest.mark.parametrize(("width", "size"), [(1 / 16, 16), (1 / 32, 512)])
def test_a_mobilefacenet_is_loaded(width, size, images, tmp_path):
    backbone = tiny_backbone("mobilefacenet", width, size)
    path = tmp_path / "mbf.pt"
    torch.save(backbone.state_dict(), path)
    recogniser = load(path)
    assert isinstance(recogniser.backbone, MobileFaceNet)
    assert recogniser.source.architecture["embedding_size"] == size
    torch.testing.assert_close(recogniser(images), expected_embeddings(backbone, images), atol=1e-5, rtol=0)


@pytest.mark.parametrize("place", ["whole", "value", "wrapper"])
@pytest.mark.parametrize("kind", ["torch", "legacy", "pickle"])
def test_a_file_that_would_run_code_is_refused_unrun(place, kind, tmp_path):
    victim, path = tmp_path / "victim", tmp_path / "hostile.pt"
    bomb = Bomb(victim)
    content = {
        "whole": bomb,
        "value": {**tiny_backbone().state_dict(), "extra": bomb},
        "wrapper": {"state_dict": bomb},
    }[place]
    if kind == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "torch")
    with pytest.raises(InputError, match=r"hostile\.pt: .*(could run code|damaged)"):
        load(path)
    assert not victim.exists()


def test_the_hostile_file_is_hostile(tmp_path):
    victim = tmp_path / "victim"
    pickle.loads(pickle.dumps(Bomb(victim)))  # noqa: S301
    assert victim.exists()


def test_a_whole_pickled_network_is_refused(tmp_path):
    path = tmp_path / "whole.pt"
    torch.save(tiny_backbone(), path)
    with pytest.raises(InputError, match=r"could run code .*save its state_dict\(\) alone"):
        load(path)


@pytest.mark.parametrize("ending", ["pt", "pth", "onnx", "safetensors"])
@pytest.mark.parametrize("content", [b"", b"I am a text file.\n" * 5, random.Random(0).randbytes(4096)])  # noqa: S311
def test_other_contents_are_refused(ending, content, tmp_path):
    path = tmp_path / f"network.{ending}"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"network\.{ending}: ") as caught:
        load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ["pt", "onnx"])
def test_damaged_files_are_refused_or_still_networks(ending, exported, tmp_path):
    backbone, onnx_path = exported
    whole = tmp_path / "whole.pt"
    torch.save(backbone.state_dict(), whole)
    data = (whole if ending == "pt" else onnx_path).read_bytes()
    chance = random.Random(0)  # noqa: S311
    path = tmp_path / f"damaged.{ending}"
    refused = 0
    for trial in range(20):
        damaged = bytearray(data)
        if trial % 4 == 0:
            del damaged[chance.randrange(len(damaged)) :]
        else:
            for _ in range(8):
                damaged[chance.randrange(min(len(damaged), 4000))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            recogniser = load(path)
        except InputError:
            refused += 1
        else:
            assert recogniser(torch.zeros(2, 3, 112, 112)).shape[0] == 2
    assert refused >= 5


@pytest.mark.parametrize("content", [{}, [], 3, None, {"a": 1}, {1: torch.zeros(1)}, {"state_dict": {}}])
def test_a_torch_file_that_is_no_state_dict_is_refused(content, tmp_path):
    path = tmp_path / "other.pt"
    torch.save(content, path)
    with pytest.raises(InputError, match=r"other\.pt: expected a state dict"):
        load(path)


def test_another_networks_state_dict_is_refused(tmp_path):
    path = tmp_path / "other.pt"
    torch.save(nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(InputError, match=r"arcface_torch MobileFaceNet, .*got 2 tensors .*'weight'"):
        load(path)


def without(key: str):
    return lambda state: {name: value for name, value in state.items() if name != key}


def replaced(key: str, value: torch.Tensor):
    return lambda state: {**state, key: value}


@pytest.mark.parametrize(
    "change",
    [
        without("fc.weight"),
        without("features.weight"),
        without("layer4.1.conv1.weight"),
        lambda state: {name: value for name, value in state.items() if not name.startswith("layer4.1.")},
        replaced("fc.weight", torch.zeros(8, 16 * 5 * 5)),
        replaced("fc.weight", torch.zeros(8)),
        replaced("layer1.0.conv1.weight", torch.zeros(2, 2, 5, 5)),
        replaced("conv1.weight", torch.zeros(())),
        replaced("conv1.weight", torch.zeros(0, 3, 3, 3)),
        replaced("more.weight", torch.zeros(1)),
    ],
    ids=[
        *("no-fc", "no-features", "no-conv", "no-unit", "smaller-images", "vector", "large-kernel"),
        *("scalar", "no-channels", "one-more"),
    ],
)
def test_a_state_dict_that_does_not_fit_is_refused(change, tmp_path):
    path = tmp_path / "other.pt"
    torch.save(change(tiny_backbone().state_dict()), path)
    with pytest.raises(InputError, match=r"other\.pt: "):
        load(path)


@pytest.mark.parametrize(
    "change",
    [
        without("features.layers.2.weight"),
        without("layers.0.layers.0.weight"),
        replaced("conv_sep.layers.0.weight", torch.zeros(())),
        replaced("conv_sep.layers.0.weight", torch.zeros(0, 8, 1, 1)),
        replaced("features.layers.2.weight", torch.zeros(())),
    ],
    ids=["no-linear", "no-stem", "scalar", "no-channels", "scalar-linear"],
)
def test_a_mobilefacenet_that_does_not_fit_is_refused(change, tmp_path):
    path = tmp_path / "other.pt"
    torch.save(change(tiny_backbone("mobilefacenet").state_dict()), path)
    with pytest.raises(InputError, match=r"other\.pt: |width: "):
        load(path)


def test_an_unknown_ending_is_refused(tmp_path):
    path = tmp_path / "network.bin"
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"expected a model file \(\.safetensors, .*got the ending .*\.bin"):
        load(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=rf"bundled network's name \({BUNDLED}\), found no such file"):
        load(tmp_path / "none.onnx")
    with pytest.raises(InputError, match="found no such file"):
        load(tmp_path)


def test_our_own_file_is_loaded(tiny_model, images):
    recogniser = load(str(tiny_model))
    assert recogniser.class_names == ("Ann Able", "Bob Baker", "Cat Charlie", "Dan Dog", "Eve Easy")
    assert recogniser(images).shape == (2, 32)
    renamed = tiny_model.with_name("UPPER.SAFETENSORS")
    renamed.write_bytes(tiny_model.read_bytes())
    assert torch.equal(load(renamed)(images), recogniser(images))


def test_the_bundled_network_is_there():
    recogniser = load()
    assert recogniser.source.path == str(bundled_path())
    assert recogniser.class_names
    assert recogniser.centres.shape[0] == len(recogniser.class_names)
    embeddings = recogniser(torch.rand(2, 3, recogniser.input_size, recogniser.input_size))
    assert embeddings.shape == (2, recogniser.centres.shape[1])
    assert torch.isfinite(embeddings).all()


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
    export(backbone, path, 112)
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
    export(backbone, path, 64)
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
        ({"shape": ("n", 1, 8, 24)}, "expected one image input"),
        ({"shape": ()}, "expected one image input"),
        ({"shape": ("n", 3, 4, 16)}, "expected a square image input, got 4x16"),
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
def test_a_graph_with_its_batch_size_written_in_takes_any_batch(sizes, tmp_path):
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


@pytest.mark.parametrize("operator", ["Det", "NonMaxSuppression"])
def test_operators_that_cannot_be_converted_are_told(operator, tmp_path):
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


def test_an_onnx_file_with_data_beside_it_is_refused_with_a_word_on_it(tmp_path):
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
