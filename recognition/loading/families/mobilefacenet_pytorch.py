"""MobileFaceNets of Xiaoccer's MobileFaceNet_Pytorch (`068.ckpt`, under `net_state_dict`).

Claim: RGB, (value - 127.5) / 128, 112x96 pixels: the middle of aligned faces of 112x112.
Source: Xiaoccer/MobileFaceNet_Pytorch, dataloader/CASIA_Face_loader.py: scipy's imread, which gives RGB, and
(img - 127.5) / 128; core/model.py: a last convolution of 7x6 positions.
"""

from pathlib import Path

from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError
from recognition.loading.families.base import Family, Network, rows
from recognition.loading.networks.inputs import CentreCrop
from recognition.loading.networks.mobilefacenets import bottleneck_mobilefacenet, shape
from recognition.loading.presets import PRESETS
from recognition.loading.state_dicts import State
from recognition.recogniser import Preprocessing

#: Factor by which the network shrinks its input: four strides of 2.
_SHRINKING = 16


def build(state: State, path: Path) -> Network:
    """Return the network of a state dict; all sizes follow from its shapes."""
    sides = [_SHRINKING * side for side in shape(state, "linear7.conv.weight")[2:]]
    size = f"{sides[0]}x{sides[1]}"
    if max(sides) != ALIGNED_SIZE:
        raise InputError(f"{path}: expected a network for 112x112 or 112x96 images, got {size}")
    standard = PRESETS["facenet"]
    return Network(
        bottleneck_mobilefacenet(state),
        {"network": "mobilefacenet", "embedding_size": rows(state, "linear1.conv.weight", path, 4)},
        Preprocessing(standard.mean, standard.std),
        f"MobileFaceNet_Pytorch trains on RGB, (value - 127.5) / 128, of {size} pixels",
        adapt=lambda network: CentreCrop(network, *sides),
    )


FAMILY = Family(("dw_conv1.conv.weight", "linear7.conv.weight", "linear1.conv.weight"), build)
