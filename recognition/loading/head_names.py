"""Which tensors beside a backbone belong to a training head, by their names."""

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from recognition.errors import InputError
from recognition.loading.conversions import own_code

#: First parts of the names of training heads, which stand beside a backbone's prefix.
HEADS = frozenset(
    {
        *("head", "heads", "fc", "parallel_fc", "classifier", "logits", "kernel", "weight", "arcface"),
        *("loss", "loss_fn", "criterion", "margin", "metric", "metric_fc", "product"),
    }
)
#: Words in the names of training heads, whole ones and parts of words.
_WORDS = frozenset({"arc", "arclayer", "cls", "cosine", "id", "partial", "pid", "w"})
_PARTS = (
    *("head", "margin", "softmax", "classi", "classes", "logit", "loss", "criteri", "metric", "product"),
    *("proxy", "proxies", "prototype", "center", "centre", "kernel", "identit", "arcface", "cosface"),
    *("sphereface", "adaface", "magface", "curricular"),
)
#: Most tensors that a message describes, and characters of their names.
_SHOWN, _NAME = 4, 60


def means_head(name: str) -> bool:
    """Return whether a tensor's name says that it belongs to a training head."""
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
    return name.split(".")[0] in HEADS or any(
        word in _WORDS or any(part in word for part in _PARTS) for word in words
    )


def refuse_layers(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse tensors beside a backbone that may belong to another layer of the network.

    Args:
        tensors: Those beside the backbone, by name.
        path: The file's name in error messages.

    Raises:
        InputError: If the name of one of them is no training head's.
    """
    layers = {
        # Counts, such as those of metrics, are no layer's.
        key: one
        for key, one in tensors.items()
        if one.ndim and one.is_floating_point() and not means_head(key)
    }
    if layers:
        raise InputError(
            f"{path}: expected a network, and class weights under a name such as head.weight, got "
            f"{described(layers)} beside it, which may be another layer of the network; {own_code(path)}, or "
            "save the network alone, and class weights in a file for --centres"
        )


def described(tensors: Mapping[str, Tensor]) -> str:
    """Return the names and shapes of some tensors, for an error message."""
    shown = [f"{key[:_NAME]!r} {tuple(one.shape)}" for key, one in tensors.items()]
    return " and ".join(shown[:_SHOWN]) + (" and more" if len(shown) > _SHOWN else "")
