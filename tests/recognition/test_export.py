"""Exported networks load again with the same embeddings."""

import pytest
import torch
from torch import nn

from recognition.errors import InputError
from recognition.export import export
from recognition.loading import ModelChoice, load
from recognition.recogniser import Preprocessing


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["model.pt", "backbone.pth", "checkpoint_gpu_0.pt", "network.onnx"])
def test_an_exported_network_has_the_same_embeddings(name, tiny_model, images, tmp_path):
    recogniser = load(tiny_model)
    export(recogniser, tmp_path / name)
    again = load(tmp_path / name)
    torch.testing.assert_close(again(images), recogniser(images), atol=1e-5, rtol=0)
    norms = [sum(isinstance(m, nn.BatchNorm2d) for m in one.modules()) for one in (recogniser, again)]
    assert norms[0] == norms[1]
    if name.startswith("checkpoint"):
        torch.testing.assert_close(again.centres, recogniser.centres)
    else:
        assert again.centres is None
    # The exported network is unchanged.
    assert not recogniser.training


def test_an_exported_onnx_file_has_its_preprocessing(tiny_model, images, tmp_path):
    recogniser = load(ModelChoice(tiny_model, preset="mean=0.4/0.5/0.6,std=0.3,channels=BGR"))
    export(recogniser, tmp_path / "network.onnx")
    again = load(tmp_path / "network.onnx")
    assert again.preprocessing == Preprocessing((0.4, 0.5, 0.6), 0.3, "BGR", 112)
    torch.testing.assert_close(again(images), recogniser(images), atol=1e-5, rtol=0)


def test_what_cannot_be_exported_is_refused(tiny_model, tmp_path):
    recogniser = load(tiny_model)
    with pytest.raises(InputError, match=r"expected the ending \.pt, \.pth or \.onnx, got '\.bin'"):
        export(recogniser, tmp_path / "network.bin")
    with pytest.raises(InputError, match="cannot be written"):
        export(recogniser, tmp_path / "none" / "network.pt")
    recogniser.centres = None
    with pytest.raises(InputError, match="expected class centres to save in it"):
        export(recogniser, tmp_path / "checkpoint_gpu_0.pt")
    export(load(tiny_model), tmp_path / "network.onnx")
    with pytest.raises(InputError, match="got an ONNX file's; copy that file"):
        export(load(tmp_path / "network.onnx"), tmp_path / "again.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network.onnx"]
