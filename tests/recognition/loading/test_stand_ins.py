"""What lies in the place of a file: a pointer of Git LFS, a web page, the file packed; and paths in it."""

import argparse
import bz2
import gzip
import lzma
import tarfile
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
import torch

from arcinvert.templates.table import read_templates
from recognition.errors import InputError
from recognition.loading import ModelChoice, load
from tests.recognition.loading.files import save, state_of, tiny_body

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
PAGE = b"\n<!DOCTYPE html><html><head><title>Google Drive - Virus scan warning</title></head></html>"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("model") / "backbone.pth", state_of(tiny_body(inner_norm=False)))


STAND_INS = {
    "pointer": (POINTER, "got a pointer of Git LFS; fetch the file itself: git lfs pull"),
    "page": (PAGE, "got a web page; download the file itself"),
    "gzip": (gzip.compress(b"0" * 1000), "got a packed file; unpack it"),
    "bzip2": (bz2.compress(b"0" * 1000), "got a packed file; unpack it"),
    "xz": (lzma.compress(b"0" * 1000), "got a packed file; unpack it"),
}


@pytest.mark.parametrize("kind", STAND_INS)
@pytest.mark.parametrize("ending", [".pth", ".onnx", ".safetensors", ".ckpt"])
def test_a_network(kind: str, ending: str, tmp_path: Path) -> None:
    content, message = STAND_INS[kind]
    path = tmp_path / f"network{ending}"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        load(path)
    assert str(error.value).startswith(f"{path}: expected a model file, {message}")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", STAND_INS)
@pytest.mark.parametrize("ending", [".pt", ".npy", ".npz", ".csv", ".json", ".safetensors"])
def test_class_centres(kind: str, ending: str, model: Path, tmp_path: Path) -> None:
    content, message = STAND_INS[kind]
    path = tmp_path / f"centres{ending}"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        load(ModelChoice(model, preset="insightface", centres=path))
    assert str(error.value).startswith(f"{path}: expected a file of class centres, {message}")


@pytest.mark.parametrize("kind", STAND_INS)
@pytest.mark.parametrize("ending", [".npy", ".npz", ".db", ".parquet", ".faiss"])
def test_a_database(kind: str, ending: str, tmp_path: Path) -> None:
    content, message = STAND_INS[kind]
    path = tmp_path / f"templates{ending}"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_templates(path, dim=8)
    assert str(error.value).startswith(f"{path}: expected a database of templates, {message}")


def test_archives_with_the_file_in_it(model: Path, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "network.pth.tar", "w") as tar:
        tar.add(model, "backbone.pth")
    with pytest.raises(InputError, match=r"expected a model file, got a packed file; unpack it"):
        load(tmp_path / "network.pth.tar")
    with zipfile.ZipFile(tmp_path / "network.pth", "w") as archive:
        archive.write(model, "weights/backbone.pth")
    with pytest.raises(InputError, match=r"an archive of other files \('weights/backbone.pth'\); unpack it"):
        load(tmp_path / "network.pth")


@pytest.mark.parametrize("path", [Path("data"), PurePosixPath("/data/ms1m"), PureWindowsPath("D:/ms1m")])
def test_paths_among_the_options_of_a_training(path: PurePosixPath, model: Path, tmp_path: Path) -> None:
    state = torch.load(model, weights_only=True)
    checkpoint = {"state_dict": state, "args": argparse.Namespace(lr=0.1, data=path), "out": path}
    recogniser = load(ModelChoice(save(tmp_path / "last.pth", checkpoint), preset="insightface"))
    images = torch.rand(2, 3, 112, 112)
    assert torch.equal(recogniser(images), load(ModelChoice(model, preset="insightface"))(images))
