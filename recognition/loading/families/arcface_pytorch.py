"""Residual networks for grey faces of arcface-pytorch (`resnet18_110.pth`, that is `resnet_face18`).

Claim: grey, (value - 127.5) / 127.5, 128x128 pixels.
Source: ronghuaiyang/arcface-pytorch, test.py: `cv2.imread(path, 0)`, then -127.5 and /127.5; data/dataset.py:
`convert('L')` and an input of (1, 128, 128).
"""

from pathlib import Path

from recognition.errors import InputError
from recognition.loading.families.base import Family, Network, count_numbers, rows
from recognition.loading.networks.inputs import Grey
from recognition.loading.networks.resnet_face import MAP_SIZE, ResNetFace
from recognition.loading.presets import PRESETS
from recognition.loading.state_dicts import State
from recognition.recogniser import Preprocessing

#: Side of the input in pixels.
_INPUT_SIZE = 128


def build(state: State, path: Path) -> Network:
    """Return the network of a state dict; all sizes follow from its shapes."""
    stages = range(1, 5)
    units = [count_numbers(state, rf"layer{stage}\.(\d+)\.") for stage in stages]
    channels = [rows(state, f"layer{stage}.0.bn2.weight", path, 1) for stage in stages]
    excited = "layer1.0.se.fc.0.weight" in state
    hidden = [rows(state, f"layer{stage}.0.se.fc.0.weight", path, 2) if excited else 0 for stage in stages]
    embedding_size = rows(state, "fc5.weight", path, 2)
    if (inputs := state["fc5.weight"].shape[1]) != channels[-1] * MAP_SIZE**2:
        raise InputError(
            f"{path}: expected a network for {_INPUT_SIZE}x{_INPUT_SIZE} images, got {inputs} inputs of its "
            "last layer"
        )
    standard = PRESETS["insightface"]
    return Network(
        ResNetFace(units, channels, hidden, embedding_size),
        {"network": "resnet-face", "units": units, "embedding_size": embedding_size},
        Preprocessing(standard.mean, standard.std, input_size=_INPUT_SIZE),
        "arcface-pytorch trains on grey images of 128x128 pixels, (value - 127.5) / 127.5",
        adapt=Grey,
    )


FAMILY = Family(("layer1.0.bn0.weight", "layer1.0.prelu.weight", "fc5.weight", "bn5.weight"), build)
