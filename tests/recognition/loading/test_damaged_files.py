"""Files that would run code, that are damaged, or that hold something else."""

import pickle
import random

import pytest
import torch

from recognition.errors import InputError
from recognition.loading import load
from tests.recognition.loading.files import Bomb, export_onnx, tiny_backbone


@pytest.mark.parametrize("position", ["whole", "value", "wrapper"])
@pytest.mark.parametrize("kind", ["torch", "legacy", "pickle"])
def test_a_file_that_would_run_code_is_refused_and_not_run(position, kind, tmp_path):
    victim, path = tmp_path / "victim", tmp_path / "hostile.pt"
    bomb = Bomb(victim)
    content = {
        "whole": bomb,
        "value": {**tiny_backbone().state_dict(), "extra": bomb},
        "wrapper": {"state_dict": bomb},
    }[position]
    if kind == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=kind == "torch")
    with pytest.raises(InputError, match=r"hostile\.pt: .*(could run code|damaged)"):
        load(path)
    assert not victim.exists()


def test_the_hostile_file_runs_code_when_it_is_unpickled(tmp_path):
    victim = tmp_path / "victim"
    pickle.loads(pickle.dumps(Bomb(victim)))  # noqa: S301
    assert victim.exists()


def test_a_whole_pickled_network_is_refused(tmp_path):
    path = tmp_path / "whole.pt"
    torch.save(tiny_backbone(), path)
    with pytest.raises(InputError, match=r"could run code .*save its tensors alone.*python -c"):
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
def test_damaged_files_are_refused_or_still_networks(ending, tmp_path):
    backbone, whole = tiny_backbone(), tmp_path / f"whole.{ending}"
    if ending == "pt":
        torch.save(backbone.state_dict(), whole)
    else:
        export_onnx(backbone, whole, 112, opset_version=17)
    data = whole.read_bytes()
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
