"""What `load` takes: files by their ending, this project's own files, and the bundled network."""

import os
import subprocess
import sys

import pytest
import torch

from recognition.errors import InputError
from recognition.loading import FORMATS, NETWORKS, ModelChoice, bundled_path, load
from tests.recognition.loading.files import tiny_backbone


def test_an_unknown_ending_is_refused(tmp_path):
    path = tmp_path / "network.weights"
    path.write_bytes(b"")
    with pytest.raises(
        InputError, match=r"expected a model file \(\.safetensors, .*got the ending .*\.weights"
    ):
        load(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=rf"bundled network's name \({', '.join(NETWORKS)}\), found no such file"
    ):
        load(tmp_path / "none.onnx")
    with pytest.raises(InputError, match="got a folder; give one of its files: none with an ending of"):
        load(tmp_path)
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(InputError, match="got a pipe or a device"):
        load(tmp_path / "pipe.onnx")
    with pytest.raises(InputError, match="found no such file"):
        load("long" * 100)


def test_a_file_of_this_project_is_loaded(tiny_model, images):
    recogniser = load(str(tiny_model))
    assert recogniser.class_names == ("Ann Able", "Bob Baker", "Cat Charlie", "Dan Dog", "Eve Easy")
    assert recogniser(images).shape == (2, 32)
    renamed = tiny_model.with_name("UPPER.SAFETENSORS")
    renamed.write_bytes(tiny_model.read_bytes())
    assert torch.equal(load(renamed)(images), recogniser(images))


def test_a_bundled_network_is_loaded_by_default():
    assert load().name == NETWORKS[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_bundled_networks_are_loaded_by_their_names(name):
    recogniser = load(name)
    assert recogniser.name == name
    assert recogniser.source.path == str(bundled_path(name))
    # The judge's references are of these classes in this order.
    assert recogniser.class_names == load().class_names
    assert recogniser.centres.shape[0] == len(recogniser.class_names)
    embeddings = recogniser(torch.rand(2, 3, recogniser.input_size, recogniser.input_size))
    assert embeddings.shape == (2, recogniser.centres.shape[1])
    assert torch.isfinite(embeddings).all()


@pytest.mark.parametrize("ending", FORMATS)
def test_every_ending_has_a_reader(ending, tmp_path):
    path = tmp_path / f"network{ending}"
    path.write_bytes(b"no network")
    with pytest.raises(InputError, match="network"):
        FORMATS[ending](path, ModelChoice(path))


@pytest.mark.parametrize("model", ["bundled", "state dict"])
def test_networks_of_weights_are_loaded_without_onnx(model, tmp_path):
    """ONNX and its converter, torchvision and timm are imported only where they are needed."""
    path = bundled_path()
    if model == "state dict":
        path = tmp_path / "backbone.pth"
        torch.save(tiny_backbone().state_dict(), path)
    code = (
        "import sys\n"
        "from recognition.loading import load\n"
        "assert load(sys.argv[1]).embedding_size > 0\n"
        "unwanted = ('onnx', 'torchvision', 'timm', 'dlib', 'recognition.loading.onnx_files',\n"
        "            'recognition.loading.onnx_network', 'recognition.loading.onnx_operators')\n"
        "print([name for name in unwanted if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
