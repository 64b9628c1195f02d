"""Families of networks whose state dicts are recognised by their keys and shapes.

A family is one module here with a `Family`, and one entry of `FAMILIES`.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from recognition.errors import InputError
from recognition.loading.families.base import Family, Network
from recognition.loading.state_dicts import State, assign_weights
from recognition.registry import Entry, Registry

_HERE = "recognition.loading.families"
#: Families by name, in the order in which they are tried.
FAMILIES: Registry[Family] = Registry(
    "family",
    {
        "arcface_torch MobileFaceNet": Entry(f"{_HERE}.arcface_torch_mobilefacenet:FAMILY", "InsightFace"),
        "arcface_torch IResNet": Entry(f"{_HERE}.arcface_torch_iresnet:FAMILY", "InsightFace"),
        "AdaFace IResNet": Entry(f"{_HERE}.adaface:FAMILY", "mk-minchul/AdaFace"),
        "InsightFace_Pytorch IResNet": Entry(f"{_HERE}.insightface_pytorch:FAMILY", "TreB1eN"),
        "facenet-pytorch InceptionResnetV1": Entry(f"{_HERE}.facenet_pytorch:FAMILY", "timesler"),
    },
)


def recognise(
    state: State, path: Path, families: Mapping[str, Family] = FAMILIES
) -> tuple[Network, Tensor | None]:
    """Return the network of a state dict with its weights, and the class weights that came with it.

    Args:
        state: Tensors by name.
        path: The file's name in error messages.
        families: The families to try, in their order.

    Raises:
        InputError: If no family has these keys, or the shapes do not fit the family.
    """
    family = next((one for one in families.values() if all(key in state for key in one.keys)), None)
    if family is None:
        raise InputError(
            f"{path}: expected the state dict of {', '.join(families)}, got {len(state)} tensors, the first "
            f"{next(iter(state))!r}; give the code that builds it as package.module:factory@{path.name}, or "
            "export the network to ONNX"
        )
    # On the meta device a declared width takes no memory until the file's tensors are assigned.
    with torch.device("meta"):
        network = family.build(state, path)
    backbone = {key: value for key, value in state.items() if not key.startswith(network.head_prefixes)}
    assign_weights(network.module, backbone, path, str(network.architecture))
    return network, state[network.class_weights] if network.class_weights else None
