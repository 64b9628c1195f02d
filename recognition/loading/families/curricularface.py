"""IResNets of CurricularFace, with or without squeeze-and-excitation (`Backbone_IR_101_*.pth`).

Claim: RGB, (value - 127.5) / 127.5, 112x112 pixels. Known from the networks of InsightFace_Pytorch by a last
BatchNorm without weights (backbone/model_irse.py).
Source: HuangYG123/CurricularFace, dataset/datasets.py: `FaceDataset` opens images with PIL and converts them
to RGB; train.py: `Normalize(RGB_MEAN, RGB_STD)` with config.py's 0.5 and 0.5.
"""

from dataclasses import replace
from pathlib import Path

from recognition.loading.families.base import Family, Network, body_network
from recognition.loading.presets import PRESETS
from recognition.loading.state_dicts import State


def build(state: State, path: Path) -> Network:
    """Return the network of a state dict; units, channels and embedding size follow from its shapes."""
    network, options, size = body_network(state, path, inner_norm=False)
    return Network(
        network,
        {"network": "iresnet-body", **options},
        replace(PRESETS["insightface"], input_size=size),
        "CurricularFace trains on RGB, known by a last BatchNorm without weights",
    )


FAMILY = Family(
    ("input_layer.0.weight", "body.0.res_layer.0.weight", "output_layer.4.running_mean"),
    build,
    missing=("output_layer.4.weight",),
)
