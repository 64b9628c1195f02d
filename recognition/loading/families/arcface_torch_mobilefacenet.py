"""MobileFaceNets of arcface_torch.

Claim: RGB, (value - 127.5) / 127.5, 112x112 pixels.
Source: deepinsight/insightface, recognition/arcface_torch/inference.py, as for its IResNets.
"""

from pathlib import Path
from typing import Any

from recognition.backbones.mobilefacenet import MobileFaceNet
from recognition.loading.families.base import Family, Network, rows
from recognition.loading.presets import PRESETS
from recognition.loading.state_dicts import State


def build(state: State, path: Path) -> Network:
    """Return the network of a state dict; width and embedding size follow from its shapes."""
    options: dict[str, Any] = {
        "width": rows(state, "conv_sep.layers.0.weight", path, 4) / 512,
        "embedding_size": rows(state, "features.layers.2.weight", path, 2),
    }
    return Network(
        MobileFaceNet(**options),
        {"network": "mobilefacenet", **options},
        PRESETS["insightface"],
        "arcface_torch trains on RGB, (value - 127.5) / 127.5",
    )


FAMILY = Family(("conv_sep.layers.0.weight",), build)
