"""State dicts of other projects, against independent small networks of their keys."""

import argparse
import sys
import types

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recognition.backbones import build_backbone
from recognition.errors import InputError
from recognition.loading import PRESETS, ModelChoice, load
from recognition.loading.families import FAMILIES, recognise
from recognition.loading.families.base import Family, Network
from recognition.recogniser import Preprocessing
from tests.recognition.loading.files import save, state_of, tiny_body, tiny_facenet, with_statistics


def normalised(images: torch.Tensor) -> torch.Tensor:
    return 2 * images - 1


class LightningLike:
    """A class like those of the callbacks that training frameworks store in checkpoints."""

    def __init__(self) -> None:
        self.state = {"best": 1}


def test_adaface_checkpoints_take_bgr_and_have_class_centres(images, tmp_path):
    network = tiny_body(inner_norm=True, affine=False)
    kernel = torch.randn(8, 5)
    state = {f"model.{key}": value for key, value in state_of(network).items()} | {
        "head.kernel": kernel,
        "head.batch_mean": torch.ones(1),
    }
    recogniser = load(save(tmp_path / "adaface.ckpt", {"state_dict": state, "epoch": 3}))
    assert recogniser.preprocessing == PRESETS["adaface"]
    assert "AdaFace" in recogniser.source.reason
    with torch.no_grad():
        expected = F.normalize(network(normalised(images).flip(1)))
    torch.testing.assert_close(recogniser(images), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(recogniser.centres, F.normalize(kernel.T), atol=1e-6, rtol=0)


def test_classes_of_training_frameworks_in_a_checkpoint_are_ignored(tmp_path, monkeypatch):
    module = types.ModuleType("pytorch_lightning.callbacks")
    module.LightningLike = LightningLike
    monkeypatch.setattr(LightningLike, "__module__", "pytorch_lightning.callbacks")
    monkeypatch.setitem(sys.modules, "pytorch_lightning", types.ModuleType("pytorch_lightning"))
    monkeypatch.setitem(sys.modules, "pytorch_lightning.callbacks", module)
    path = save(
        tmp_path / "lightning.ckpt",
        {
            "state_dict": {
                f"model.{key}": value for key, value in state_of(tiny_body(inner_norm=True)).items()
            },
            "callbacks": {"checkpoint": LightningLike()},
            "hyper_parameters": argparse.Namespace(arch="ir_18", lr=0.1),
        },
    )
    assert load(path).source.architecture["network"] == "iresnet-body"


@pytest.mark.parametrize("excitation", [False, True], ids=["ir", "ir-se"])
def test_insightface_pytorch_networks_take_bgr(excitation, images, tmp_path):
    network = tiny_body(inner_norm=False, excitation=excitation)
    recogniser = load(save(tmp_path / "model_ir.pth", state_of(network)))
    assert recogniser.preprocessing == PRESETS["adaface"]
    assert recogniser.source.architecture["units"] == [2, 1, 2, 2]
    assert recogniser.source.architecture["excitation"] is excitation
    with torch.no_grad():
        expected = F.normalize(network(normalised(images).flip(1)))
    torch.testing.assert_close(recogniser(images), expected, atol=1e-5, rtol=0)


def test_body_units_follow_their_definition(images):
    """A unit computed by functions: BN, convolution, PReLU, convolution, BN, and the shortcut."""
    network = tiny_body(inner_norm=False)
    unit = network.body[0]
    features = torch.rand(2, 2, 6, 6)
    bn1, conv1, prelu, conv2, bn2 = unit.res_layer

    def norm(layer: nn.BatchNorm2d, values: torch.Tensor) -> torch.Tensor:
        scaled = (values - layer.running_mean[:, None, None]) / (layer.running_var + 1e-5).sqrt()[
            :, None, None
        ]
        return scaled * layer.weight[:, None, None] + layer.bias[:, None, None]

    inner = F.conv2d(norm(bn1, features), conv1.weight, padding=1)
    inner = torch.where(inner < 0, prelu.weight[:, None, None] * inner, inner)
    expected = norm(bn2, F.conv2d(inner, conv2.weight, stride=2, padding=1)) + features[..., ::2, ::2]
    torch.testing.assert_close(unit(features), expected, atol=1e-5, rtol=0)


def test_facenet_takes_160_pixels_and_has_class_centres(tmp_path):
    network = tiny_facenet()
    logits = torch.randn(7, 8)
    state = state_of(network) | {"logits.weight": logits, "logits.bias": torch.zeros(7)}
    recogniser = load(save(tmp_path / "vggface2.pt", state))
    assert recogniser.preprocessing == PRESETS["facenet"]
    images = torch.rand(2, 3, 160, 160)
    with torch.no_grad():
        expected = F.normalize(network((255 * images - 127.5) / 128))
    torch.testing.assert_close(recogniser(images), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(recogniser.centres, F.normalize(logits), atol=1e-6, rtol=0)


#: Names and shapes of some tensors of facenet-pytorch's published state dict.
FACENET = {
    "conv2d_1a.conv.weight": (32, 3, 3, 3),
    "conv2d_3b.bn.running_var": (80,),
    "conv2d_4b.conv.weight": (256, 192, 3, 3),
    "repeat_1.4.branch2.2.conv.weight": (32, 32, 3, 3),
    "repeat_1.0.conv2d.bias": (256,),
    "mixed_6a.branch1.2.conv.weight": (256, 192, 3, 3),
    "repeat_2.9.branch1.1.conv.weight": (128, 128, 1, 7),
    "repeat_2.0.conv2d.weight": (896, 256, 1, 1),
    "mixed_7a.branch2.2.conv.weight": (256, 256, 3, 3),
    "repeat_3.4.branch1.2.conv.weight": (192, 192, 3, 1),
    "block8.conv2d.weight": (1792, 384, 1, 1),
    "last_linear.weight": (512, 1792),
    "last_bn.running_mean": (512,),
}


def test_facenets_published_names_and_shapes():
    from recognition.backbones.inception_resnet import InceptionResnetV1

    with torch.device("meta"):
        network = InceptionResnetV1()
    state = network.state_dict()
    assert {key: tuple(state[key].shape) for key in FACENET} == FACENET
    # The count that public listings give for the network without its classifier.
    assert sum(parameter.numel() for parameter in network.parameters()) == 23_482_624


@pytest.mark.parametrize("depth", [18, 34, 50, 100, 200])
def test_every_depth_of_arcface_torch_is_recognised_by_its_keys(depth, tmp_path):
    backbone = build_backbone(f"iresnet{depth}", width=1 / 64, embedding_size=4)
    # Files of old torch versions do not count batches.
    state = {key: value for key, value in backbone.state_dict().items() if "num_batches" not in key}
    recogniser = load(save(tmp_path / "backbone.pth", {"state_dict": state}))
    assert recogniser.source.architecture["network"] == f"iresnet{depth}"


def test_a_preset_overrides_the_familys_preprocessing(images, tmp_path):
    path = save(tmp_path / "network.pth", state_of(tiny_body(inner_norm=False, affine=False)))
    flipped = load(ModelChoice(path, preset="channels=BGR"))
    torch.testing.assert_close(flipped(images), load(path)(images.flip(1)), atol=1e-6, rtol=0)
    assert flipped.source.reason == "given as preset: channels=BGR"
    scaled = load(ModelChoice(path, preset="zero-to-255"))
    torch.testing.assert_close(scaled((images + 1) / 255), load(path)((images + 2) / 2), atol=1e-4, rtol=0)
    three = load(ModelChoice(path, preset="mean=0.4/0.5/0.6,std=0.2"))
    shift = torch.tensor([0.4, 0.5, 0.6])[:, None, None]
    torch.testing.assert_close(
        three.backbone((images - shift) / 0.2),
        three.backbone(three.preprocessing(images)),
        atol=1e-4,
        rtol=1e-4,
    )


@pytest.mark.parametrize(
    ("preset", "message"),
    [
        ("arcface", "expected one of insightface, adaface, .*got 'arcface'"),
        ("channels=GRB", "channels=RGB or channels=BGR, got 'GRB'"),
        ("std=0", "std to be one number, .*above 0, got '0'"),
        ("mean=a", "mean to be one number, or three"),
        ("mean=1/2", "mean to be one number, or three"),
        ("mean=nan", "mean to be one number, or three"),
        ("input_size=3", "a number of pixels from 16 to 1024"),
        ("input_size=100000", "a number of pixels from 16 to 1024"),
        ("colour=RGB", "mean, std, channels or input_size, got 'colour'"),
    ],
)
def test_unknown_presets_are_refused(preset, message, tmp_path):
    path = save(tmp_path / "network.pth", state_of(tiny_body(inner_norm=False)))
    with pytest.raises(InputError, match=message + r".*; give ") as error:
        load(ModelChoice(path, preset=preset))
    assert str(error.value).startswith(f"{path}: preset: expected ")
    assert "\n" not in str(error.value)


def test_a_state_dict_of_another_family_is_refused_with_alternatives(tmp_path):
    path = save(tmp_path / "resnet.pth", {"layer.weight": torch.ones(1)})
    with pytest.raises(InputError, match=r"package\.module:factory@resnet\.pth, or export .* ONNX"):
        load(path)


def test_a_width_that_the_file_does_not_hold_is_refused(tmp_path):
    """A giant weight whose elements are all one number is refused before memory is allocated."""
    state = state_of(with_statistics(build_backbone("iresnet18", width=1 / 64, embedding_size=4)))
    state["conv1.weight"] = torch.zeros(1).expand(2**20, 3, 2**9, 2**9)
    with pytest.raises(InputError, match=r"as large as the file, got .* bytes declared"):
        load(save(tmp_path / "giant.pt", state))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_declared_storage_is_not_allocated(legacy, tmp_path):
    """The number of elements in the pickle stream is raised."""
    path = tmp_path / "storage.pt"
    torch.save({"weight": torch.zeros(1000)}, path, _use_new_zipfile_serialization=not legacy)
    data = path.read_bytes()
    count = (1000).to_bytes(2, "little")
    assert data.count(b"M" + count) >= 1
    # BININT2 (M, two bytes) becomes BININT (J, four bytes) with the largest value.
    path.write_bytes(data.replace(b"M" + count, b"J\xff\xff\xff\x7f"))
    with pytest.raises(InputError, match=r"storage\.pt: "):
        load(path)


class Toy(nn.Module):
    """A linear network of 4x4 images."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.toy = nn.Linear(48, dim)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.toy(images.flatten(1))


def build_toy(state, path) -> Network:
    return Network(Toy(len(state["toy.weight"])), {"embedding_size": 5}, Preprocessing(input_size=4), "a toy")


def test_a_family_is_one_object_and_one_entry(tmp_path):
    torch.manual_seed(0)
    state = state_of(Toy(5))
    families = {**FAMILIES, "toy": Family(("toy.weight",), build_toy)}
    network, class_weights = recognise(state, tmp_path / "toy.pt", families)
    assert class_weights is None
    assert network.preprocessing.input_size == 4
    assert torch.equal(network.module.toy.weight, state["toy.weight"])
    with pytest.raises(InputError, match=r"expected the state dict of toy, got 1 tensors, the first 'other'"):
        recognise({"other": torch.ones(1)}, tmp_path / "toy.pt", {"toy": families["toy"]})


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_names_its_source(name):
    module = sys.modules[FAMILIES[name].build.__module__]
    assert "Claim: " in module.__doc__
    assert "Source: " in module.__doc__
    assert FAMILIES[name].keys
