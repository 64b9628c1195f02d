"""Hundreds of damaged or hostile files per reader: each is refused in one line or is still a network.

No code in a file is run, nothing hangs (each test has a time limit), and nothing giant is allocated.
"""

import pickle
import random
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from recognition.backbones import build_backbone
from recognition.backbones.ir_body import BodyIResNet
from recognition.checkpoint import save_recogniser
from recognition.errors import InputError
from recognition.loading import load
from recognition.recogniser import Recogniser
from recognition.source import Source
from tests.recognition.loading.files import Bomb, save

#: Damaged files of each reader; `python -m tests.fuzz` tries any number.
CASES = 300
#: Most growth of the process in KiB that these files may cause, far below the tensors they may declare.
GROWTH = 600 * 1024
ARCHITECTURE = {"network": "mobilefacenet", "width": 1 / 64, "embedding_size": 2}


def onnx_bytes() -> bytes:
    chance = np.random.default_rng(0)
    weights = {
        "k": chance.normal(size=(2, 3, 3, 3)),
        "s": np.ones(2),
        "b": np.zeros(2),
        "m": np.zeros(2),
        "v": np.ones(2),
        "p": np.full((2, 1, 1), 0.2),
        "w": chance.normal(size=(2, 3)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("BatchNormalization", ["c", "s", "b", "m", "v"], ["n"]),
        helper.make_node("PRelu", ["n", "p"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "w"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 3, 8, 8))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ("n", 3))],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8
    ).SerializeToString()


def torch_bytes(folder: Path, *, legacy: bool) -> bytes:
    # The family with the fewest tensors: reading their names takes most of the time.
    network = BodyIResNet(
        units=(1, 1, 1, 1),
        channels=(1, 2, 3, 4),
        embedding_size=2,
        inner_norm=False,
        excitation=False,
        affine=True,
    )
    torch.save(network.state_dict(), folder / "whole.pt", _use_new_zipfile_serialization=not legacy)
    return (folder / "whole.pt").read_bytes()


def own_bytes(folder: Path) -> bytes:
    network: nn.Module = build_backbone("mobilefacenet", width=1 / 64, embedding_size=2)
    recogniser = Recogniser(network, name="tiny", source=Source(architecture=ARCHITECTURE))
    save_recogniser(folder / "whole.safetensors", recogniser)
    return (folder / "whole.safetensors").read_bytes()


def damage(data: bytes, chance: random.Random, begin: int) -> bytes:
    """Return the data truncated, with flipped bits, or with a swapped, repeated or overwritten part."""
    damaged = bytearray(data)
    end = len(damaged) if chance.random() < 0.3 else min(len(damaged), begin)
    kind = chance.randrange(5)
    if kind == 0:
        del damaged[chance.randrange(len(damaged)) :]
    elif kind == 1:
        for _ in range(chance.randrange(1, 9)):
            damaged[chance.randrange(end)] ^= 1 << chance.randrange(8)
    elif kind == 2:
        first, second = sorted(chance.randrange(end) for _ in range(2))
        damaged[first:second] = damaged[second : 2 * second - first] + damaged[first:second]
    elif kind == 3:
        begin = chance.randrange(end)
        damaged[begin:begin] = damaged[begin : begin + chance.randrange(1, 65)]
    else:
        # Lengths and shapes become giant in all these formats.
        begin = chance.randrange(end)
        damaged[begin : begin + 4] = b"\xff\xff\xff\x7f"
    return bytes(damaged)


def refusal(path: Path) -> str | None:
    """Return the message with which `load` refuses a file, or None if it does not."""
    try:
        load(path)
    except InputError as error:
        return str(error)
    return None


FORMATS: dict[str, tuple[str, Callable[[Path], bytes], int]] = {
    "onnx": (".onnx", lambda folder: onnx_bytes(), 10_000),
    "torch": (".pt", lambda folder: torch_bytes(folder, legacy=False), 30_000),
    "legacy torch": (".pth", lambda folder: torch_bytes(folder, legacy=True), 30_000),
    "own": (".safetensors", own_bytes, 30_000),
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.filterwarnings("ignore")
def test_damaged_files(name, tmp_path, time_limit):
    ending, make, begin = FORMATS[name]
    data = make(tmp_path)
    path = tmp_path / f"damaged{ending}"
    path.write_bytes(data)
    assert load(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    chance = random.Random(name)  # noqa: S311
    refused = 0
    with time_limit(900):
        for _ in range(CASES):
            path.write_bytes(damage(data, chance, begin))
            message = refusal(path)
            refused += message is not None
            assert message is None or ("\n" not in message and path.name in message)
    assert refused > CASES // 4
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWTH


@pytest.mark.parametrize("legacy", [False, True])
def test_hostile_pickles_are_not_run_at_any_position(legacy, tmp_path):
    state = build_backbone("mobilefacenet", width=1 / 64, embedding_size=2).state_dict()
    positions = [
        lambda bomb: bomb,
        lambda bomb: [bomb],
        lambda bomb: {"state_dict": state, "callbacks": bomb},
        lambda bomb: {"state_dict_backbone": state, "state_dict_softmax_fc": bomb},
        lambda bomb: {**state, bomb.victim: bomb},
    ]
    for number, position in enumerate(positions):
        victim = tmp_path / f"victim{number}"
        for ending in (".pt", ".pth", ".ckpt", ".tar"):
            path = tmp_path / f"hostile{number}{ending}"
            torch.save(position(Bomb(victim)), path, _use_new_zipfile_serialization=not legacy)
            with pytest.raises(InputError, match=path.name):
                load(path)
        assert not victim.exists()


def test_a_hostile_class_with_the_name_of_a_training_framework_is_not_run(tmp_path):
    """A class with an ignored name is not imported, whatever the stream does with it."""
    victim = tmp_path / "victim"
    state = build_backbone("mobilefacenet", width=1 / 64, embedding_size=2).state_dict()
    stream = pickle.dumps(Bomb(victim), protocol=2)
    for name in (b"cposix\nmkdir\n", b"cnt\nmkdir\n"):
        stream = stream.replace(name, b"cpytorch_lightning.os\nmkdir\n")
    assert b"pytorch_lightning" in stream
    (tmp_path / "bare.ckpt").write_bytes(stream)
    with pytest.raises(InputError, match=r"bare\.ckpt"):
        load(tmp_path / "bare.ckpt")
    assert not victim.exists()
    assert load(save(tmp_path / "sound.ckpt", {"state_dict": state}))


def test_giant_shapes_of_an_onnx_file_are_refused(tmp_path):
    model = onnx.load_from_string(onnx_bytes())
    for dims in ([2**20, 3, 2**10, 2**10], [2**62, 3, 3, 3], [2, 3, -3, 3]):
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(dims)
        path = tmp_path / "giant.onnx"
        path.write_bytes(model.SerializeToString())
        with pytest.raises(InputError, match=r"giant\.onnx: "):
            load(path)
