"""State dicts to networks: each family is known by its keys and shapes alone.

A further family is one more function and one more entry of `FAMILIES`.
"""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recognition.backbones.inception_resnet import InceptionResnetV1
from recognition.backbones.ir_body import BodyIResNet
from recognition.backbones.iresnet import DEPTHS, LAST_MAP_SIZE, IResNet
from recognition.backbones.mobilefacenet import MobileFaceNet
from recognition.errors import InputError, one_line

State = dict[str, Tensor]


@dataclass
class Network:
    """A network still without weights (on torch's meta device), and what is known of it.

    Args:
        architecture: for reports.
        preset: a name of `choice.PRESETS`.
        reason: why this preset.
        head: the key of class weights that the state dict has beside the backbone's.
        head_transposed: whether they are (dim, classes).
        strip: beginnings of keys that belong to the training, not to the backbone.
    """

    module: nn.Module
    architecture: dict[str, Any]
    preset: str
    reason: str
    head: str | None = None
    head_transposed: bool = False
    strip: tuple[str, ...] = ()


@dataclass(frozen=True)
class Family:
    """Networks of one project.

    Args:
        marks: keys that all its state dicts have.
        build: a state dict with these keys, and the file's name for errors, to the network.
    """

    name: str
    marks: tuple[str, ...]
    build: Callable[[State, Path], Network]


def rows(state: State, key: str, path: Path, dimensions: int) -> int:
    """Rows of a tensor that must be there.

    Raises:
        InputError: it is not, has other dimensions or no rows.
    """
    if key not in state or state[key].ndim != dimensions or not state[key].shape[0]:
        raise InputError(f"{path}: expected {key!r} of {dimensions} dimensions in the state dict, found none")
    return state[key].shape[0]


def _count(state: State, pattern: str) -> int:
    return len({match[1] for key in state if (match := re.match(pattern, key))})


def _iresnet(state: State, path: Path) -> Network:
    units = tuple(_count(state, rf"layer{stage}\.(\d+)\.") for stage in range(1, 5))
    depth = next((depth for depth, layout in DEPTHS.items() if layout == units), None)
    if depth is None:
        known = ", ".join(f"{layout} ({depth})" for depth, layout in DEPTHS.items())
        raise InputError(f"{path}: expected an IResNet of one of the layouts {known}, got {units}")
    channels, embedding_size = rows(state, "conv1.weight", path, 4), rows(state, "fc.weight", path, 2)
    if (inputs := state["fc.weight"].shape[1]) != channels * 8 * LAST_MAP_SIZE**2:
        raise InputError(
            f"{path}: expected a network for 112x112 images ({channels * 8 * LAST_MAP_SIZE**2} inputs of "
            f"its fc layer), got {inputs}"
        )
    options: dict[str, Any] = {"width": channels / 64, "embedding_size": embedding_size}
    return Network(
        IResNet(depth=depth, **options),
        {"network": f"iresnet{depth}", **options},
        "insightface",
        "arcface_torch trains on RGB, (value - 127.5) / 127.5",
    )


def _mobilefacenet(state: State, path: Path) -> Network:
    options: dict[str, Any] = {
        "width": rows(state, "conv_sep.layers.0.weight", path, 4) / 512,
        "embedding_size": rows(state, "features.layers.2.weight", path, 2),
    }
    return Network(
        MobileFaceNet(**options),
        {"network": "mobilefacenet", **options},
        "insightface",
        "arcface_torch trains on RGB, (value - 127.5) / 127.5",
    )


def _body(state: State, path: Path) -> Network:
    inner_norm = "body.0.res_layer.2.running_mean" in state
    second = 4 if inner_norm else 3
    count = _count(state, r"body\.(\d+)\.")
    outputs = [rows(state, f"body.{unit}.res_layer.{second}.weight", path, 4) for unit in range(count)]
    # A stage ends where the channels change; strides are not written in weights.
    starts = [0, *(unit for unit in range(1, count) if outputs[unit] != outputs[unit - 1]), count]
    units = [end - start for start, end in itertools.pairwise(starts)]
    options: dict[str, Any] = {
        "units": units,
        "channels": [outputs[start] for start in starts[:-1]],
        "embedding_size": rows(state, "output_layer.3.weight", path, 2),
        "inner_norm": inner_norm,
        "excitation": f"body.0.res_layer.{second + 2}.fc1.weight" in state,
        "affine": "output_layer.4.weight" in state,
    }
    if len(units) != 4:
        raise InputError(f"{path}: expected an IResNet body of four stages, got units {units}")
    # AdaFace alone has a BatchNorm between the first convolution and its PReLU.
    adaface = inner_norm
    return Network(
        BodyIResNet(**options),
        {"network": "iresnet-body", **options},
        "adaface" if adaface else "insightface",
        "AdaFace trains on BGR, known by the BatchNorm after each first convolution"
        if adaface
        else "InsightFace_Pytorch trains on RGB, (value - 127.5) / 127.5",
        head="head.kernel" if "head.kernel" in state else None,
        head_transposed=True,
        strip=("head.",),
    )


def _facenet(state: State, path: Path) -> Network:
    options = {
        "width": rows(state, "conv2d_1a.conv.weight", path, 4),
        "embedding_size": rows(state, "last_linear.weight", path, 2),
    }
    return Network(
        InceptionResnetV1(**options),
        {"network": "inception-resnet-v1", **options},
        "facenet",
        "facenet-pytorch trains on 160x160 RGB, (value - 127.5) / 128",
        head="logits.weight" if "logits.weight" in state else None,
        strip=("logits.",),
    )


#: In the order of trial.
FAMILIES: tuple[Family, ...] = (
    Family("arcface_torch MobileFaceNet", ("conv_sep.layers.0.weight",), _mobilefacenet),
    Family(
        "arcface_torch IResNet", ("conv1.weight", "layer1.0.bn1.weight", "layer1.0.prelu.weight"), _iresnet
    ),
    Family(
        "AdaFace or InsightFace_Pytorch IResNet", ("input_layer.0.weight", "body.0.res_layer.0.weight"), _body
    ),
    Family("facenet-pytorch InceptionResnetV1", ("conv2d_1a.conv.weight", "block8.conv2d.weight"), _facenet),
)


def recognise(state: State, path: Path) -> tuple[Network, Tensor | None]:
    """The network of a state dict with its weights in it, and class weights that came along.

    Raises:
        InputError: no family has such keys, or the shapes do not fit it.
    """
    family = next((one for one in FAMILIES if all(mark in state for mark in one.marks)), None)
    if family is None:
        raise InputError(
            f"{path}: expected the state dict of {', '.join(one.name for one in FAMILIES)}, got "
            f"{len(state)} tensors beginning with {next(iter(state))!r}; give the code that builds it as "
            f"package.module:factory@{path.name}, or export the network to ONNX"
        )
    # Without memory: a declared width costs nothing until the file's own tensors are put in.
    with torch.device("meta"):
        network = family.build(state, path)
    own = {key: value for key, value in state.items() if not key.startswith(network.strip)}
    put_in(network.module, own, path, str(network.architecture))
    return network, state[network.head] if network.head else None


def put_in(module: nn.Module, state: State, path: Path, what: str) -> None:
    """Make a state dict's tensors the module's own.

    Raises:
        InputError: keys or shapes differ.
    """
    expected = module.state_dict()
    # Files of old torch versions do not count batches.
    counters = {key for key in expected if key.endswith("num_batches_tracked") and key not in state}
    state = state | {key: torch.tensor(0) for key in counters}
    try:
        module.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise InputError(f"{path}: its tensors do not fit {what} ({one_line(error)})") from None
