"""Vision transformers of arcface_torch (`vit_t`, `vit_s`, `vit_b`, `vit_l`).

Claim: RGB, (value - 127.5) / 127.5, 112x112 pixels.
Source: deepinsight/insightface, recognition/arcface_torch/inference.py, as for its IResNets;
recognition/arcface_torch/backbones/__init__.py: eight heads and patches of 9 pixels in all of them.
"""

from pathlib import Path

from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError
from recognition.loading.families.base import Family, Network, count_numbers, rows
from recognition.loading.networks.vision_transformer import HEADS, VisionTransformer
from recognition.loading.presets import PRESETS
from recognition.loading.state_dicts import State


def build(state: State, path: Path) -> Network:
    """Return the network of a state dict; all sizes but the number of heads follow from its shapes."""
    dim = rows(state, "patch_embed.proj.weight", path, 4)
    patch = state["patch_embed.proj.weight"].shape[2]
    patches = (ALIGNED_SIZE // patch) ** 2
    if tuple(state["pos_embed"].shape) != (1, patches, dim) or dim % HEADS:
        raise InputError(
            f"{path}: expected a vision transformer for {ALIGNED_SIZE}x{ALIGNED_SIZE} images and {HEADS} "
            f"heads, got patches of {patch} pixels and positions {tuple(state['pos_embed'].shape)}"
        )
    options = {
        "dim": dim,
        "hidden": rows(state, "blocks.0.mlp.fc1.weight", path, 2),
        "depth": count_numbers(state, r"blocks\.(\d+)\."),
        "patch": patch,
        "embedding_size": rows(state, "feature.2.weight", path, 2),
    }
    network = VisionTransformer(
        **options,
        patches=patches,
        bias="blocks.0.attn.qkv.bias" in state,
        batch_norm="norm.bn.weight" in state,
    )
    return Network(
        network,
        {"network": "vit", **options},
        PRESETS["insightface"],
        "arcface_torch trains on RGB, (value - 127.5) / 127.5",
    )


FAMILY = Family(("patch_embed.proj.weight", "pos_embed", "mask_token", "feature.2.weight"), build)
