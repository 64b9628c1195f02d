"""IResNets of arcface_torch (`backbone.pth`, `model.pt`, `checkpoint_gpu_0.pt`).

Claim: RGB, (value - 127.5) / 127.5, 112x112 pixels. So do ElasticFace and CR-FIQA, whose training code is
based on it; CR-FIQA's files have a layer of image quality, `qs`, beside the embedding, which is left out.
Source: deepinsight/insightface, recognition/arcface_torch/inference.py, which converts OpenCV's BGR to RGB,
divides by 255, subtracts 0.5 and divides by 0.5.
"""

from pathlib import Path
from typing import Any

from recognition.backbones.iresnet import DEPTHS, LAST_MAP_SIZE, IResNet
from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError
from recognition.loading.families.base import Family, Network, count_numbers, rows
from recognition.loading.presets import PRESETS
from recognition.loading.state_dicts import State


def build(state: State, path: Path) -> Network:
    """Return the network of a state dict; depth, width and embedding size follow from its shapes."""
    units = tuple(count_numbers(state, rf"layer{stage}\.(\d+)\.") for stage in range(1, 5))
    depth = next((depth for depth, layout in DEPTHS.items() if layout == units), None)
    if depth is None:
        known = ", ".join(f"{layout} ({depth})" for depth, layout in DEPTHS.items())
        raise InputError(f"{path}: expected an IResNet of one of the layouts {known}, got {units}")
    channels, embedding_size = rows(state, "conv1.weight", path, 4), rows(state, "fc.weight", path, 2)
    if (inputs := state["fc.weight"].shape[1]) != channels * 8 * LAST_MAP_SIZE**2:
        raise InputError(
            f"{path}: expected a network for {ALIGNED_SIZE}x{ALIGNED_SIZE} images "
            f"({channels * 8 * LAST_MAP_SIZE**2} inputs of its fc layer), got {inputs}"
        )
    options: dict[str, Any] = {"width": channels / 64, "embedding_size": embedding_size}
    return Network(
        IResNet(depth=depth, **options),
        {"network": f"iresnet{depth}", **options},
        PRESETS["insightface"],
        "arcface_torch trains on RGB, (value - 127.5) / 127.5",
        head_prefixes=("qs.",),
    )


FAMILY = Family(("conv1.weight", "layer1.0.bn1.weight", "layer1.0.prelu.weight"), build)
