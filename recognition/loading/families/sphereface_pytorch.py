"""Networks of sphereface_pytorch (`sphere20a_20171020.pth`).

Claim: BGR, (value - 127.5) / 128, 112x96 pixels: the middle of aligned faces of 112x112.
Source: clcarwin/sphereface_pytorch, lfw_eval.py: `cv2.imdecode`, which gives BGR, (img - 127.5) / 128, and a
template for 96 columns and 112 rows; net_sphere.py: a last feature map of 7x6 positions.
"""

from pathlib import Path

from recognition.errors import InputError
from recognition.loading.families.base import Family, Network, count_numbers, rows
from recognition.loading.networks.inputs import CentreCrop
from recognition.loading.networks.sphere import SIDES, STAGES, SphereNet
from recognition.loading.presets import PRESETS
from recognition.loading.state_dicts import State

#: Factor by which the network shrinks its input: four strides of 2.
_SHRINKING = 16


def build(state: State, path: Path) -> Network:
    """Return the network of a state dict; all sizes follow from its shapes."""
    layers = [count_numbers(state, rf"conv{stage}_(\d+)\.weight") for stage in STAGES]
    channels = [rows(state, f"conv{stage}_1.weight", path, 4) for stage in STAGES]
    embedding_size = rows(state, "fc5.weight", path, 2)
    if not all(count % 2 for count in layers):
        raise InputError(f"{path}: expected an odd number of layers in each stage, got {layers}")
    if (inputs := state["fc5.weight"].shape[1]) != channels[-1] * SIDES[0] * SIDES[1]:
        raise InputError(
            f"{path}: expected a network for 112x96 images, got {inputs} inputs of its last layer"
        )
    size = [_SHRINKING * side for side in SIDES]
    return Network(
        SphereNet(layers, channels, embedding_size),
        {"network": "spherenet", "layers": layers, "embedding_size": embedding_size},
        PRESETS["facex-zoo"],
        "sphereface_pytorch trains on BGR, (value - 127.5) / 128, of 112x96 pixels",
        class_weights="fc6.weight" if "fc6.weight" in state else None,
        class_weights_transposed=True,
        head_prefixes=("fc6.",),
        adapt=lambda network: CentreCrop(network, *size),
    )


FAMILY = Family(("conv1_1.weight", "relu1_1.weight", "conv4_1.weight", "fc5.weight"), build)
