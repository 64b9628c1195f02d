"""Networks that code builds, and programs that are refused."""

import sys

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

from arcinvert.attacked import as_recogniser
from recognition.errors import InputError
from recognition.loading import ModelChoice, load
from recognition.recogniser import Preprocessing
from tests import forked
from tests.recognition.loading.files import save

CODE = """
import torch
from torch import nn

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(12, 4)

    def forward(self, images):
        return self.linear(nn.functional.adaptive_avg_pool2d(images, 2).flatten(1))

def make():
    torch.manual_seed(0)
    return Network()

class Inner:
    make = staticmethod(make)

def fails():
    raise ValueError("two\\nlines")

def pair():
    return nn.Identity()

number = lambda: 3

class Small(nn.Module):
    def __init__(self, channels, columns):
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(channels, 2, 16, 16)
        self.linear = nn.Linear(2 * 7 * columns // 16, 4)

    def forward(self, images):
        return self.linear(self.conv(images).flatten(1))

grey, narrow, both = (lambda: Small(1, 112)), (lambda: Small(3, 96)), (lambda: Small(1, 96))

class OneAtATime(Small):
    def forward(self, images):
        assert len(images) == 1
        return super().forward(images)

alone = lambda: OneAtATime(3, 112)
alone_and_grey = lambda: OneAtATime(1, 112)
"""


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """A module in the working directory."""
    (tmp_path / "own_networks.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("own_networks", None)


@pytest.mark.parametrize("name", ["make", "Inner.make"])
def test_a_factory_in_the_working_directory_is_called(name, beside):
    recogniser = load(f"own_networks:{name}")
    images = torch.rand(2, 3, 112, 112)
    pooled = F.adaptive_avg_pool2d(2 * images - 1, 2).flatten(1)
    expected = F.normalize(recogniser.backbone.linear(pooled))
    torch.testing.assert_close(recogniser(images), expected)
    assert recogniser.source.format == "code"
    assert str(beside) not in sys.path


@pytest.mark.parametrize(
    ("name", "columns", "is_grey"),
    [("grey", slice(None), True), ("narrow", slice(8, 104), False), ("both", slice(8, 104), True)],
)
def test_a_factorys_network_of_grey_or_narrow_images_is_put_behind_colour_ones(
    name, columns, is_grey, beside, images
):
    """As the ONNX files and the known families of such networks."""
    network = load(f"own_networks:{name}").backbone
    while hasattr(network, "network"):
        network = network.network
    prepared = 2 * images[..., columns] - 1
    if is_grey:
        prepared = (prepared * torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
    with torch.no_grad():
        expected = F.normalize(network(prepared))
    torch.testing.assert_close(load(f"own_networks:{name}")(images), expected, atol=1e-5, rtol=0)
    module = as_recogniser(network, Preprocessing())
    torch.testing.assert_close(module(images), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_weights_of_a_factory_are_loaded_safely(ending, beside):
    torch.manual_seed(1)
    state = {"module.linear.weight": torch.randn(4, 12), "module.linear.bias": torch.randn(4)}
    path = beside / f"weights.{ending}"
    if ending == "pth":
        save(path, {"state_dict": state})
    else:
        save_file(state, path)
    recogniser = load(ModelChoice(f"own_networks:make@{path}", preset="channels=BGR"))
    assert torch.equal(recogniser.backbone.linear.weight, state["module.linear.weight"])
    assert recogniser.preprocessing.channels == "BGR"
    assert len(recogniser.source.sha256) == 64


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("no_such_package:make", "expected an importable package.module:factory, got No module"),
        ("own_networks:none", "expected an importable .*has no attribute 'none'"),
        ("own_networks:fails", "the factory failed with ValueError: two lines"),
        ("own_networks:number", "expected a torch.nn.Module of the factory, got int"),
        (
            "own_networks:pair",
            r"expected embeddings \(batch, dim\), got an output of shape \(2, 3, 112, 112\)",
        ),
        ("own_networks:alone", r"takes a single image and fails on two \(AssertionError\); change its code"),
        ("own_networks:alone_and_grey", r"takes a single image and fails on two \(AssertionError\)"),
        ("own_networks:make@none.pth", "expected a file of weights, found no such file"),
        ("timm:no_such_network", "timm: expected a network's name, got 'no_such_network'"),
        ("torchvision:no_such_network", "torchvision: no_such_network cannot be built"),
    ],
)
def test_factories_that_fail_are_refused(model, message, beside):
    if model.startswith("timm"):
        pytest.importorskip("timm")
    with pytest.raises(InputError, match=message):
        load(model)


def test_weights_that_do_not_fit_are_refused(beside):
    path = save(beside / "weights.pth", {"linear.weight": torch.zeros(4, 13)})
    with pytest.raises(
        InputError, match=r"weights\.pth: its tensors do not fit the network of own_networks:make"
    ):
        load(f"own_networks:make@{path}")


def test_timms_networks_have_their_own_preprocessing():
    timm = pytest.importorskip("timm")
    recogniser = load("timm:test_resnet")
    configuration = timm.create_model("test_resnet").pretrained_cfg
    assert recogniser.preprocessing.mean == tuple(configuration["mean"])
    assert recogniser.input_size == configuration["input_size"][-1]
    size = recogniser.input_size
    assert recogniser(torch.rand(2, 3, size, size)).shape[0] == 2


def test_a_timm_network_has_as_many_outputs_as_its_weights(tmp_path):
    timm = pytest.importorskip("timm")
    network = timm.create_model("test_vit", num_classes=12).eval()
    path = save(tmp_path / "vit.pth", network.state_dict())
    recogniser = load(f"timm:test_vit@{path}")
    images = torch.rand(2, 3, recogniser.input_size, recogniser.input_size)
    with torch.no_grad():
        expected = F.normalize(network(recogniser.preprocessing(images)))
    assert expected.shape == (2, 12)
    torch.testing.assert_close(recogniser(images), expected, atol=1e-5, rtol=0)


def test_torchvisions_networks_lose_their_classifier():
    recogniser = load(ModelChoice("torchvision:squeezenet1_1", preset="imagenet,input_size=64"))
    assert recogniser(torch.rand(2, 3, 64, 64)).ndim == 2


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(12, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(F.adaptive_avg_pool2d(x, 2).flatten(1))


@pytest.mark.filterwarnings("ignore")
def test_a_torchscript_program_is_refused_with_a_command_that_converts_it(tmp_path):
    torch.manual_seed(0)
    network = Tiny().eval()
    path = tmp_path / "program.pt"
    torch.jit.script(network).save(path)
    with pytest.raises(InputError, match="got a TorchScript program, which can run code") as caught:
        load(path)
    assert_converts(str(caught.value), tmp_path)
    images = torch.rand(3, 3, 112, 112)
    with torch.no_grad():
        expected = F.normalize(network(2 * images - 1))
    torch.testing.assert_close(load(tmp_path / "program.onnx")(images), expected, atol=1e-5, rtol=0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ending", ["pt2", "pt"])
def test_a_torch_export_program_is_refused_with_a_command_that_converts_it(ending, tmp_path):
    torch.manual_seed(0)
    network = Tiny().eval()
    program = torch.export.export(
        network, (torch.zeros(2, 3, 112, 112),), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    torch.export.save(program, tmp_path / "program.pt2")
    path = (tmp_path / "program.pt2").rename(tmp_path / f"program.{ending}")
    with pytest.raises(InputError, match=r"torch\.export program, whose loading can run code") as caught:
        load(path)
    if ending == "pt2":
        pytest.importorskip("onnxscript")
        assert_converts(str(caught.value), tmp_path)
        images = torch.rand(3, 3, 112, 112)
        with torch.no_grad():
            expected = F.normalize(network(2 * images - 1))
        torch.testing.assert_close(load(tmp_path / "program.onnx")(images), expected, atol=1e-5, rtol=0)


def assert_converts(message: str, folder) -> None:
    """Assert that the command in an error message runs."""
    code = message.partition('python -c "')[2].partition('"')[0]
    assert code
    done = forked.run(forked.code, code, cwd=folder)
    assert done.returncode == 0, done.stderr
