"""The file of a decoder: it comes back, and one that is damaged or another network's is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from arcinvert.knowledge.decoder import FaceDecoder
from arcinvert.knowledge.decoder_file import SUFFIX, default_path, find_decoder, save_decoder
from arcinvert.knowledge.public_photographs import PhotographCollector
from recognition.errors import InputError
from recognition.recogniser import Recogniser
from tests.arcinvert.inversion.initialisation.knowledge import random_decoder
from tests.arcinvert.inversion.networks import linear_recogniser, templates

SHA256 = "ab" * 32


def recogniser(path: str = "") -> Recogniser:
    network = linear_recogniser()
    network.source = replace(network.source, sha256=SHA256, path=path)
    return network


def saved(path: Path, decoder: FaceDecoder | None = None, sha256: str = SHA256) -> Path:
    save_decoder(path, decoder or random_decoder(), model_sha256=sha256, model_name="linear")
    return path


def test_it_comes_back_in_half_precision(tmp_path: Path) -> None:
    decoder = random_decoder()
    found = find_decoder(recogniser(), saved(tmp_path / "d.safetensors", decoder))
    assert found is not None
    assert found.faces == "60 faces of nobody"
    assert found.channels == decoder.channels
    rounded = decoder.state_dict()
    for name, value in found.state_dict().items():
        assert torch.equal(value, rounded[name].half().float())
    torch.testing.assert_close(found(templates(2)), decoder(templates(2)), rtol=0, atol=2e-2)
    assert not any(parameter.requires_grad for parameter in found.parameters())


def test_the_list_of_its_photographs_comes_back(tmp_path: Path) -> None:
    listed, decoder = PhotographCollector(), random_decoder()
    listed.add("ab" * 32, np.zeros((112, 112, 3), np.uint8), "Ann Able")
    decoder.photographs = listed.result()
    path = saved(tmp_path / "d.safetensors", decoder)
    found = find_decoder(recogniser(), path)
    assert found is not None
    assert found.photographs is not None
    assert found.photographs.has_person("ann_able")
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file({name: one for name, one in tensors.items() if name != "photographs/hashes"}, path, metadata)
    with pytest.raises(InputError, match=r"damaged decoder file \(photographs\); learn again"):
        find_decoder(recogniser(), path)


def test_it_lies_beside_its_network(tmp_path: Path) -> None:
    network = tmp_path / "network.onnx"
    assert default_path(recogniser(str(network))) is None
    assert find_decoder(recogniser(str(network))) is None
    network.write_bytes(b"")
    assert find_decoder(recogniser(str(network))) is None
    saved(tmp_path / f"network.onnx{SUFFIX}")
    assert find_decoder(recogniser(str(network))) is not None


def test_another_preprocessings_is_refused(tmp_path: Path) -> None:
    network, path = recogniser(), tmp_path / "d.safetensors"
    save_decoder(
        path,
        random_decoder(),
        model_sha256=SHA256,
        model_name="linear",
        preprocessing=network.preprocessing,
    )
    assert find_decoder(network, path) is not None
    network.preprocessing = replace(network.preprocessing, channels="BGR")
    with pytest.raises(InputError, match=r"expected a decoder with the same --preset, got one of .*'RGB'"):
        find_decoder(network, path)


def test_another_networks_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "d.safetensors", sha256="cd" * 32)
    message = (
        r"expected a decoder of linear \(abababababab\), got that of linear \(cdcdcdcdcdcd\); learn this"
    )
    with pytest.raises(InputError, match=message):
        find_decoder(recogniser(), path)


def test_templates_of_another_size_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "d.safetensors", random_decoder(dim=5))
    with pytest.raises(InputError, match=r"damaged decoder file .*; learn again$"):
        find_decoder(recogniser(), path)


def test_what_is_no_decoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.safetensors: "):
        find_decoder(recogniser(), tmp_path / "none.safetensors")
    other = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(1)}, other)
    with pytest.raises(
        InputError, match=r"expected a file of 'arcinvert learn' .*'another file'; learn again"
    ):
        find_decoder(recogniser(), other)
    other.write_bytes(b"\x80\x04pickle")
    with pytest.raises(InputError, match="damaged"):
        find_decoder(recogniser(), other)


@pytest.mark.parametrize("cut", [0.2, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, cut: float) -> None:
    path = saved(tmp_path / "d.safetensors")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * cut)])
    with pytest.raises(InputError, match=r"damaged safetensors file"):
        find_decoder(recogniser(), path)


@pytest.mark.parametrize(
    ("metadata", "tensor"),
    [
        ({"channels": "[4, 5]"}, None),
        ({"channels": "[100000000, 3]"}, None),
        ({"channels": "nothing"}, None),
        ({}, "first.weight"),
        ({}, "matrix"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(
    tmp_path: Path, metadata: dict[str, str], tensor: str | None
) -> None:
    path = saved(tmp_path / "d.safetensors")
    tensors = load_file(path)
    header = {
        "format": "arcinvert-decoder-1",
        "model_sha256": SHA256,
        "model_name": "linear",
        "channels": "[4, 3]",
        "faces": "",
    }
    save_file(tensors, path, header)
    assert find_decoder(recogniser(), path) is not None
    if tensor is not None:
        tensors[tensor].fill_(float("nan"))
    save_file(tensors, path, header | metadata)
    with pytest.raises(InputError, match=r"damaged decoder file .*; learn again$"):
        find_decoder(recogniser(), path)


def test_weights_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    decoder = random_decoder()
    decoder.matrix[0, 0] = 1e6
    with pytest.raises(InputError, match="expected finite weights"):
        saved(tmp_path / "d.safetensors", decoder)
    assert not list(tmp_path.iterdir())
