import hashlib
import json
import random

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from recognition.backbones import build_backbone
from recognition.checkpoint import (
    FORMAT,
    load_extra,
    load_notes,
    load_recogniser,
    read_safetensors,
    save_recogniser,
    sha256,
    write_safetensors,
)
from recognition.errors import InputError
from recognition.recogniser import Preprocessing, Recogniser
from recognition.source import Source

ARCHITECTURE = {"network": "iresnet18", "width": 1 / 32, "embedding_size": 8}


def small_recogniser(**options) -> Recogniser:
    torch.manual_seed(0)
    backbone = build_backbone("iresnet18", width=1 / 32, embedding_size=8).eval()
    return Recogniser(backbone, name="small", source=Source(architecture=ARCHITECTURE), **options)


def rewrite(path, target, *, tensors=None, **metadata):
    """Write a copy of a network file with other metadata (None removes a key) or tensors."""
    with safe_open(path, framework="pt") as file:
        kept = {key: file.get_tensor(key) for key in file.keys()} | (tensors or {})  # noqa: SIM118
        noted = {key: value for key, value in (file.metadata() | metadata).items() if value is not None}
    save_file(kept, target, noted)
    return target


def test_a_network_is_read_as_it_was_written(tmp_path):
    centres, images = torch.randn(3, 8), torch.rand(2, 3, 112, 112)
    saved = small_recogniser(
        centres=centres,
        class_names=("Ann", "Bob", "Zoë"),
        class_photographs=(7, 2, 1),
        scale=16.5,
        margin=0.35,
        preprocessing=Preprocessing(mean=0.4, std=0.3, channels="BGR"),
    )
    path = tmp_path / "network.safetensors"
    save_recogniser(path, saved, extra={"mean_face": torch.full((3, 2, 2), 0.5)}, notes={"epochs": [1, 2]})
    loaded = load_recogniser(path)
    similarities = (loaded(images) * saved(images)).sum(1)
    torch.testing.assert_close(loaded(images), saved(images).detach(), atol=1e-3, rtol=0)
    torch.testing.assert_close(similarities, torch.ones(2), atol=1e-3, rtol=0)
    torch.testing.assert_close(loaded.centres, saved.centres, atol=1e-3, rtol=0)
    torch.testing.assert_close(loaded.centres.norm(dim=1), torch.ones(3))
    assert loaded.class_names == ("Ann", "Bob", "Zoë")
    assert loaded.class_photographs == (7, 2, 1)
    assert (loaded.name, loaded.scale, loaded.margin) == ("small", 16.5, 0.35)
    assert loaded.preprocessing == saved.preprocessing
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded.source == Source(str(path), digest, ARCHITECTURE, FORMAT, "saved with the network")
    assert sha256(path) == loaded.source.sha256
    assert torch.equal(load_extra(path, "mean_face"), torch.full((3, 2, 2), 0.5))
    assert load_notes(path) == {"epochs": [1, 2]}


def test_weights_become_float32_of_a_frozen_network(tmp_path):
    path = tmp_path / "network.safetensors"
    save_recogniser(path, small_recogniser())
    with safe_open(path, framework="pt") as file:
        assert file.get_tensor("backbone.fc.weight").dtype == torch.float16
    loaded = load_recogniser(path)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert loaded.centres is None
    assert loaded.class_names is None


def test_float32_files_are_exact(tmp_path):
    path = tmp_path / "network.safetensors"
    saved = small_recogniser()
    save_recogniser(path, saved, dtype=torch.float32)
    images = torch.rand(2, 3, 112, 112)
    loaded, state = load_recogniser(path), saved.backbone.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in loaded.backbone.state_dict().items())
    torch.testing.assert_close(loaded(images), saved(images).detach(), atol=1e-5, rtol=0)


def test_saving_where_nothing_can_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        save_recogniser(tmp_path / "file" / "network.safetensors", small_recogniser())


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected a model file, found no such file"):
        load_recogniser(tmp_path / "none.safetensors")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="expected a model file, got a folder"):
        load_recogniser(tmp_path)


def test_other_safetensors_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(InputError, match=rf"expected a network that arcinvert saved \({FORMAT}\), got other"):
        load_recogniser(path)


def test_a_missing_extra_is_refused(tiny_model):
    assert load_extra(tiny_model, "mean_face").shape == (3, 112, 112)
    with pytest.raises(InputError, match="expected a tensor 'median_face' in it, found none"):
        load_extra(tiny_model, "median_face")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.999])
def test_a_truncated_file_is_refused(share, tiny_model, tmp_path):
    data = tiny_model.read_bytes()
    path = tmp_path / "cut.safetensors"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"cut\.safetensors: damaged safetensors file .*get an intact copy"):
        load_recogniser(path)


def test_a_bit_flipped_header_is_refused_or_still_a_network(tiny_model, tmp_path):
    data = tiny_model.read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    path = tmp_path / "flipped.safetensors"
    chance = random.Random(0)  # noqa: S311
    refused = 0
    for trial in range(60):
        flipped = bytearray(data)
        position = trial if trial < 12 else chance.randrange(8, header)
        flipped[position] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        try:
            recogniser = load_recogniser(path)
        except InputError:
            refused += 1
        else:
            assert recogniser(torch.zeros(1, 3, 112, 112)).shape == (1, 32)
    assert refused > 30


@pytest.mark.parametrize(
    "metadata",
    [
        {"name": None},
        {"architecture": None},
        {"architecture": "null"},
        {"architecture": "{"},
        {"architecture": json.dumps({"network": "vgg"})},
        {"architecture": json.dumps(ARCHITECTURE | {"width": 1 / 16})},
        {"architecture": json.dumps(ARCHITECTURE | {"height": 3})},
        {"preprocessing": json.dumps({"median": 0.5})},
        {"class_names": "Ann"},
        {"class_names": "7"},
        {"scale": "large"},
    ],
    ids=lambda metadata: "-".join(f"{key}={value}" for key, value in metadata.items()),
)
def test_damaged_metadata_is_refused(metadata, tmp_path):
    path = tmp_path / "whole.safetensors"
    save_recogniser(path, small_recogniser())
    damaged = rewrite(path, tmp_path / "damaged.safetensors", **metadata)
    with pytest.raises(InputError, match=r"damaged\.safetensors: damaged network file .*get an intact copy"):
        load_recogniser(damaged)


def test_missing_and_misshapen_weights_are_refused(tmp_path):
    path = tmp_path / "whole.safetensors"
    save_recogniser(path, small_recogniser())
    misshapen = rewrite(path, tmp_path / "a.safetensors", tensors={"backbone.fc.weight": torch.zeros(3, 3)})
    unknown = rewrite(path, tmp_path / "b.safetensors", tensors={"backbone.fc2.weight": torch.zeros(3, 3)})
    for damaged in (misshapen, unknown):
        with pytest.raises(InputError, match="damaged network file"):
            load_recogniser(damaged)


def test_centres_that_do_not_fit_the_embedding_are_refused(tmp_path):
    path = tmp_path / "network.safetensors"
    save_recogniser(path, small_recogniser(centres=torch.randn(3, 8)))
    damaged = rewrite(path, tmp_path / "damaged.safetensors", tensors={"centres": torch.randn(3, 5)})
    with pytest.raises(InputError, match="damaged network file"):
        load_recogniser(damaged)


def test_class_names_that_do_not_fit_the_centres_are_refused(tmp_path):
    path = tmp_path / "network.safetensors"
    save_recogniser(path, small_recogniser(centres=torch.randn(3, 8), class_names=("a", "b", "c")))
    damaged = rewrite(path, tmp_path / "damaged.safetensors", class_names=json.dumps(["a", "b"]))
    with pytest.raises(InputError, match="damaged network file"):
        load_recogniser(damaged)


def test_a_file_has_the_permissions_of_others_and_the_tensors_that_were_given(tmp_path):
    tensors = {"a": torch.arange(3.0), "b": torch.ones(2, 2, dtype=torch.float16)}
    write_safetensors(tmp_path / "file.safetensors", tensors, {"key": "value"})
    (tmp_path / "other").write_bytes(b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.safetensors", "other"]
    # The umask decides, as of every other file.
    assert (tmp_path / "file.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode
    found, metadata = read_safetensors(tmp_path / "file.safetensors")
    assert metadata == {"key": "value"}
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
