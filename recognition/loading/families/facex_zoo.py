"""IResNets and MobileFaceNets of FaceX-Zoo (`Epoch_N.pt`).

Claim: BGR, (value - 127.5) / 128, 112x112 pixels. Known from the networks of InsightFace_Pytorch, on which
they are based, by the `backbone.` before each name, and by `batch_id` beside the state dict. Ambiguous
without it: any module with an attribute `backbone` writes the same names.
Source: JDAI-CV/FaceX-Zoo, data_processor/train_dataset.py (`ImageDataset`: `cv2.imread`, which gives BGR,
then (value - 127.5) * 0.0078125) and test_dataset.py; training_mode/conventional_training/train.py:
`FaceModel` has `backbone` and `head`, saved under `state_dict` beside `epoch` and `batch_id`.
"""

from dataclasses import replace
from pathlib import Path

from recognition.loading.families.base import Family, Guess, Network, body_network, rows
from recognition.loading.networks.mobilefacenets import mobilefacenet
from recognition.loading.presets import PRESETS
from recognition.loading.state_dicts import State

_REASON = "FaceX-Zoo trains on BGR, (value - 127.5) / 128, known by 'batch_id' beside the tensors"
_PROOFS = ("batch_id",)
_GUESS = Guess(
    "ambiguous: FaceX-Zoo saves 'backbone.' before these names and trains on BGR, (value - 127.5) / 128; "
    "networks of InsightFace_Pytorch (--preset adaface) and face.evoLVe (--preset insightface) in another "
    "project's module are the same; inspect --images decides",
    ("facex-zoo", "adaface", "insightface"),
)


def build_iresnet(state: State, path: Path) -> Network:
    """Return the IResNet of a state dict; units, channels and embedding size follow from its shapes."""
    network, options, size = body_network(state, path, inner_norm=False)
    return Network(
        network,
        {"network": "iresnet-body", **options},
        replace(PRESETS["facex-zoo"], input_size=size),
        _REASON,
    )


def build_mobilefacenet(state: State, path: Path) -> Network:
    """Return the MobileFaceNet of a state dict; all sizes follow from its shapes."""
    return Network(
        mobilefacenet(state),
        {"network": "mobilefacenet", "embedding_size": rows(state, "linear.weight", path, 2)},
        PRESETS["facex-zoo"],
        _REASON,
    )


IRESNET = Family(
    ("input_layer.0.weight", "body.0.res_layer.0.weight", "output_layer.4.weight"),
    build_iresnet,
    marks=("backbone.",),
    proofs=_PROOFS,
    guess=_GUESS,
)
MOBILEFACENET = Family(
    ("conv2_dw.conv.weight", "linear.weight", "bn.weight"),
    build_mobilefacenet,
    marks=("backbone.",),
    proofs=_PROOFS,
    guess=_GUESS,
)
