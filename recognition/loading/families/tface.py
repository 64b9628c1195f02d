"""IResNets and MobileFaceNets of TFace (`Backbone_Epoch_N_checkpoint.pth`).

Claim: RGB, (value - 127.5) / 127.5, 112x112 pixels. Ambiguous for IResNets: AdaFace's networks, which take
BGR, have the same names once `model.` is removed from them.
Source: Tencent/TFace, recognition/torchkit/data/parser.py: `ImgSampleParser` and `TFRecordSampleParser`
convert OpenCV's BGR to RGB; recognition/torchkit/task/base_task.py: `Normalize(RGB_MEAN, RGB_STD)`;
recognition/torchkit/util/checkpoint.py: the backbone's state dict is saved as it is.
"""

from dataclasses import replace
from pathlib import Path

from recognition.loading.families.base import Family, Network, body_network, rows
from recognition.loading.networks.mobilefacenets import mobilefacenet
from recognition.loading.presets import PRESETS
from recognition.loading.state_dicts import State


def build_iresnet(state: State, path: Path) -> Network:
    """Return the IResNet of a state dict; units, channels and embedding size follow from its shapes."""
    network, options, size = body_network(state, path, inner_norm=True)
    return Network(
        network,
        {"network": "iresnet-body", **options},
        replace(PRESETS["insightface"], input_size=size),
        "ambiguous: TFace trains on RGB and saves these names; AdaFace's without their 'model.' are the same "
        "and take BGR (--preset adaface); inspect --images decides",
        readings=("insightface", "adaface"),
    )


def build_mobilefacenet(state: State, path: Path) -> Network:
    """Return the MobileFaceNet of a state dict; all sizes follow from its shapes."""
    key = "output_layer.bn.running_mean"
    if key not in state:
        key = "output_layer.bn2.running_mean"
    return Network(
        mobilefacenet(state),
        {"network": "mobilefacenet", "embedding_size": rows(state, key, path, 1)},
        PRESETS["insightface"],
        "TFace trains on RGB, (value - 127.5) / 127.5",
    )


IRESNET = Family(
    ("input_layer.0.weight", "body.0.res_layer.0.weight", "body.0.res_layer.2.running_mean"), build_iresnet
)
MOBILEFACENET = Family(("conv2_dw.conv.weight", "output_layer.linear.weight"), build_mobilefacenet)
#: With global norm-aware pooling (GNAP) in place of a depthwise convolution, as cavaface's too.
MOBILEFACENET_GNAP = Family(("conv2_dw.conv.weight", "output_layer.bn1.running_mean"), build_mobilefacenet)
