"""IResNets of AdaFace (.ckpt), which have a BatchNorm layer between each first convolution and its PReLU.

Claim: BGR, (value - 127.5) / 127.5, 112x112 pixels. Known from TFace's networks of the same layout by the
`model.` before each name, which AdaFace's training writes (train_val.py, `Trainer.model`), and by the running
mean of norms in its head (head.py, `batch_mean`). Ambiguous without that head: any module with an attribute
`model` writes the same names.
Source: mk-minchul/AdaFace, inference.py: `to_input` reverses the channels of an RGB image and computes
(value / 255 - 0.5) / 0.5; dataset/image_folder_dataset.py: training swaps RGB to BGR.
"""

from dataclasses import replace
from pathlib import Path

from recognition.loading.families.base import Family, Guess, Network, body_network
from recognition.loading.presets import PRESETS
from recognition.loading.state_dicts import State


def build(state: State, path: Path) -> Network:
    """Return the network of a state dict; units, channels and embedding size follow from its shapes."""
    network, options, size = body_network(state, path, inner_norm=True)
    return Network(
        network,
        {"network": "iresnet-body", **options},
        replace(PRESETS["adaface"], input_size=size),
        "AdaFace trains on BGR, known by the running mean of norms in its head",
    )


FAMILY = Family(
    ("input_layer.0.weight", "body.0.res_layer.0.weight", "body.0.res_layer.2.running_mean"),
    build,
    marks=("model.",),
    proofs=("head.batch_mean",),
    guess=Guess(
        "ambiguous: AdaFace saves 'model.' before these names and trains on BGR; TFace's networks in another "
        "project's module are the same and take RGB (--preset insightface); inspect --images decides",
        ("adaface", "insightface"),
    ),
)
