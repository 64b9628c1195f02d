"""MobileFaceNets of arcface_torch (`mbf`, `mbf_large`).

Claim: RGB, (value - 127.5) / 127.5, 112x112 pixels.
Source: deepinsight/insightface, recognition/arcface_torch/inference.py, as for its IResNets.
"""

from pathlib import Path
from typing import Any

from torch import nn

from recognition.backbones.mobilefacenet import UNITS, MobileFaceNet
from recognition.loading.families.base import Family, Network, count_numbers, rows
from recognition.loading.networks.mobilefacenets import WideMobileFaceNet
from recognition.loading.presets import PRESETS
from recognition.loading.state_dicts import State


def build(state: State, path: Path) -> Network:
    """Return the network of a state dict; all sizes follow from its shapes."""
    embedding_size = rows(state, "features.layers.2.weight", path, 2)
    width = rows(state, "conv_sep.layers.0.weight", path, 4) / 512
    module: nn.Module
    options: dict[str, Any] = {"embedding_size": embedding_size}
    if _is_small(state, width):
        options = {"width": width, **options}
        module, name = MobileFaceNet(**options), "mobilefacenet"
    else:
        module, name = WideMobileFaceNet(state), "mobilefacenet-large"
    return Network(
        module,
        {"network": name, **options},
        PRESETS["insightface"],
        "arcface_torch trains on RGB, (value - 127.5) / 127.5",
    )


def _is_small(state: State, width: float) -> bool:
    """Return whether a state dict is of `mbf`, which this project trains too, at some width."""
    units = tuple(count_numbers(state, rf"layers\.{stage}\.layers\.(\d+)\.layers\.") for stage in (3, 5, 7))
    first = state.get("layers.0.layers.0.weight")
    return (
        units == UNITS
        and "layers.1.layers.0.weight" in state
        and first is not None
        and first.shape[0] == round(128 * width)
    )


FAMILY = Family(("conv_sep.layers.0.weight",), build)
