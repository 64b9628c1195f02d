"""State dicts of arcface_torch: wrapped in any way, of any size, and those that do not fit."""

import pytest
import torch
from torch import nn

from recognition.backbones import build_backbone
from recognition.backbones.iresnet import IResNet
from recognition.backbones.mobilefacenet import MobileFaceNet
from recognition.errors import InputError
from recognition.loading import load
from tests.recognition.loading.files import expected_embeddings, tiny_backbone


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


@pytest.mark.parametrize("content", [{}, [], 3, None, {"a": 1}, {1: torch.zeros(1)}, {"state_dict": {}}])
def test_a_torch_file_that_is_no_state_dict_is_refused(content, tmp_path):
    path = tmp_path / "other.pt"
    torch.save(content, path)
    with pytest.raises(InputError, match=r"other\.pt: expected a state dict"):
        load(path)


def test_another_networks_state_dict_is_refused(tmp_path):
    path = tmp_path / "other.pt"
    torch.save(nn.Linear(2, 2).state_dict(), path)
    with pytest.raises(InputError, match=r"arcface_torch MobileFaceNet, .*got 2 tensors, the first 'weight'"):
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
