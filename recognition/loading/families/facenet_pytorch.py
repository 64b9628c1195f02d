"""InceptionResnetV1 of facenet-pytorch (.pt).

Claim: RGB, (value - 127.5) / 128, 160x160 pixels.
Source: timesler/facenet-pytorch, models/mtcnn.py, `fixed_image_standardization` and the default
`image_size=160`.
"""

from pathlib import Path

from recognition.backbones.inception_resnet import InceptionResnetV1
from recognition.loading.families.base import Family, Network, rows
from recognition.loading.presets import PRESETS
from recognition.loading.state_dicts import State


def build(state: State, path: Path) -> Network:
    """Return the network of a state dict; width and embedding size follow from its shapes."""
    options = {
        "width": rows(state, "conv2d_1a.conv.weight", path, 4),
        "embedding_size": rows(state, "last_linear.weight", path, 2),
    }
    return Network(
        InceptionResnetV1(**options),
        {"network": "inception-resnet-v1", **options},
        PRESETS["facenet"],
        "facenet-pytorch trains on 160x160 RGB, (value - 127.5) / 128",
        class_weights="logits.weight" if "logits.weight" in state else None,
        head_prefixes=("logits.",),
    )


FAMILY = Family(("conv2d_1a.conv.weight", "block8.conv2d.weight"), build)
