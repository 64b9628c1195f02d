"""IResNets of MagFace (.pth), which are those of arcface_torch but for the epsilon of BatchNorm.

Claim: BGR, value / 255 without a mean, 112x112 pixels. Known from arcface_torch's networks by the
`features.module.` or `module.features.` before each name (inference/network_inf.py, `clean_dict_inf`).
Ambiguous with `features.` alone, which any module with an attribute of that name writes.
Source: IrvingMeng/MagFace, dataloader/dataloader.py: `cv2.imread`, which gives BGR, and `ToTensor` alone;
inference/gen_feat.py: mean 0 and std 1; models/iresnet.py: an epsilon of 2e-05.
"""

from dataclasses import replace
from pathlib import Path

from torch import nn

from recognition.loading.families import arcface_torch_iresnet
from recognition.loading.families.base import Family, Guess, Network
from recognition.loading.presets import PRESETS
from recognition.loading.state_dicts import State

_EPSILON = 2e-5


def build(state: State, path: Path) -> Network:
    """Return the network of a state dict; depth, width and embedding size follow from its shapes."""
    network = arcface_torch_iresnet.build(state, path)
    for module in network.module.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.eps = _EPSILON
    return replace(
        network,
        preprocessing=PRESETS["magface"],
        reason="MagFace trains on BGR, value / 255, known by 'features.' and 'module.' before each name",
    )


FAMILY = Family(
    arcface_torch_iresnet.FAMILY.keys,
    build,
    marks=("features.",),
    proofs=("features.module.", "module.features."),
    guess=Guess(
        "ambiguous: MagFace saves 'features.' before these names and trains on BGR, value / 255; networks of "
        "arcface_torch in another project's module are the same and take RGB, (value - 127.5) / 127.5 "
        "(--preset insightface); inspect --images decides",
        ("magface", "insightface"),
    ),
)
