"""IResNets, with or without squeeze-and-excitation, and MobileFaceNets of InsightFace_Pytorch (.pth).

Claim: BGR, (value - 127.5) / 127.5, 112x112 pixels. Ambiguous: face.evoLVe's IResNets and MobileFaceNets have
the same names and take RGB (ZhaoJ9014/face.evoLVe, util/extract_feature_v1.py and train.py: torchvision's
ImageFolder); FaceX-Zoo's are the same without their `backbone.` and take BGR, (value - 127.5) / 128.
Source: TreB1eN/InsightFace_Pytorch, data/data_pipe.py: `load_mx_rec` saves images that OpenCV decoded in BGR
as if they were RGB, and `get_train_dataset` reads these; `load_bin` converts the validation images to BGR;
both are normalised by `Normalize([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])`.
"""

from dataclasses import replace
from pathlib import Path

from recognition.loading.families.base import Family, Network, body_network, rows
from recognition.loading.networks.mobilefacenets import mobilefacenet
from recognition.loading.presets import PRESETS
from recognition.loading.state_dicts import State

_REASON = (
    "ambiguous: InsightFace_Pytorch and FaceX-Zoo train on BGR; face.evoLVe saves the same names and trains "
    "on RGB (--preset insightface); inspect --images decides"
)
_READINGS = ("adaface", "insightface")


def build(state: State, path: Path) -> Network:
    """Return the network of a state dict; units, channels and embedding size follow from its shapes."""
    network, options, size = body_network(state, path, inner_norm=False)
    return Network(
        network,
        {"network": "iresnet-body", **options},
        replace(PRESETS["adaface"], input_size=size),
        _REASON,
        readings=_READINGS,
    )


def build_mobilefacenet(state: State, path: Path) -> Network:
    """Return the MobileFaceNet of a state dict; all sizes follow from its shapes."""
    return Network(
        mobilefacenet(state),
        {"network": "mobilefacenet", "embedding_size": rows(state, "linear.weight", path, 2)},
        PRESETS["adaface"],
        _REASON,
        readings=_READINGS,
    )


FAMILY = Family(("input_layer.0.weight", "body.0.res_layer.0.weight"), build)
MOBILEFACENET = Family(("conv2_dw.conv.weight", "linear.weight"), build_mobilefacenet)
