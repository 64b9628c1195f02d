"""IResNets of InsightFace_Pytorch, with or without squeeze-and-excitation (.pth).

Claim: RGB, (value - 127.5) / 127.5, 112x112 pixels. Source: TreB1eN/InsightFace_Pytorch, data/data_pipe.py,
`get_train_dataset`: torchvision's ImageFolder, which opens images in RGB, and `Normalize([0.5, 0.5, 0.5],
[0.5, 0.5, 0.5])`. Not checked on a published file: in the same module `load_mx_rec` writes images that
OpenCV decoded in BGR without reordering them, and `load_bin` converts the validation images to BGR, so that
files trained on its MS1M folders may take BGR.
"""

from pathlib import Path

from recognition.backbones.ir_body import BodyIResNet
from recognition.loading.families.base import Family, Network, body_options
from recognition.loading.presets import PRESETS
from recognition.loading.state_dicts import State


def build(state: State, path: Path) -> Network:
    """Return the network of a state dict; units, channels and embedding size follow from its shapes."""
    options = body_options(state, path, inner_norm=False)
    return Network(
        BodyIResNet(**options),
        {"network": "iresnet-body", **options},
        PRESETS["insightface"],
        "InsightFace_Pytorch trains on RGB, (value - 127.5) / 127.5",
        class_weights="head.kernel" if "head.kernel" in state else None,
        class_weights_transposed=True,
        head_prefixes=("head.",),
    )


FAMILY = Family(("input_layer.0.weight", "body.0.res_layer.0.weight"), build)
