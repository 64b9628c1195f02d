"""IResNets of AdaFace (.ckpt), which have a BatchNorm layer between each first convolution and its PReLU.

Claim: BGR, (value - 127.5) / 127.5, 112x112 pixels.
Source: mk-minchul/AdaFace, inference.py: `to_input` reverses the channels of an RGB image and computes
(value / 255 - 0.5) / 0.5.
"""

from pathlib import Path

from recognition.backbones.ir_body import BodyIResNet
from recognition.loading.families.base import Family, Network, body_options
from recognition.loading.presets import PRESETS
from recognition.loading.state_dicts import State


def build(state: State, path: Path) -> Network:
    """Return the network of a state dict; units, channels and embedding size follow from its shapes."""
    options = body_options(state, path, inner_norm=True)
    return Network(
        BodyIResNet(**options),
        {"network": "iresnet-body", **options},
        PRESETS["adaface"],
        "AdaFace trains on BGR, known by the BatchNorm after each first convolution",
        class_weights="head.kernel" if "head.kernel" in state else None,
        class_weights_transposed=True,
        head_prefixes=("head.",),
    )


FAMILY = Family(
    ("input_layer.0.weight", "body.0.res_layer.0.weight", "body.0.res_layer.2.running_mean"), build
)
