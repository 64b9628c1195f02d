"""Class weights by their names in what a file of a head, or of a training, holds."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from recognition.errors import InputError, InputWarning
from recognition.loading.head_names import described, means_head, refuse_layers
from recognition.loading.nested_states import is_state
from recognition.loading.state_dicts import without_prefixes

#: Dicts in each other in which class weights are searched; a pickle can hold a dict in itself.
_MAX_DEPTH = 3
#: Keys of dicts that are searched before others.
_CONTAINERS = ("state_dict_softmax_fc", "head", "HEAD", "state_dict", "model", "loss", "loss_func")
#: Last parts of the names of class weights, and whether weights of that name have shape (dim, classes).
#: Sources: arcface_torch (`weight`), InsightFace_Pytorch, AdaFace and CurricularFace (`kernel`),
#: pytorch-metric-learning (`W`, losses/arcface_loss.py and subcenter_arcface_loss.py).
NAMES = {
    "weight": False,
    "centres": False,
    "centers": False,
    "prototypes": False,
    "proxies": False,
    "kernel": True,
    "W": True,
}


class ClassWeights(NamedTuple):
    """Class weights in a file.

    Args:
        weights: The tensor.
        transposed: Whether its name means (dim, classes).
        name: The last part of its name; empty for a tensor alone.
    """

    weights: Tensor
    transposed: bool
    name: str = ""


def softmax_weights(loaded: Any, depth: int = 0) -> ClassWeights | None:
    """Return the class weights in a file's content.

    The result is None if there are none, down to `_MAX_DEPTH` dicts in each other; `depth` counts them.

    Raises:
        InputError: If the content is a network without a training head.
    """
    if isinstance(loaded, Tensor):
        return ClassWeights(loaded, False)
    if not isinstance(loaded, dict) or depth > _MAX_DEPTH:
        return None
    if is_state(loaded):
        return _named_weights(loaded)
    others = [key for key, value in loaded.items() if key not in _CONTAINERS and is_state(value)]
    for key in (*_CONTAINERS, *others):
        if isinstance(loaded.get(key), dict) and (inner := softmax_weights(loaded[key], depth + 1)):
            return inner
    return _named_weights({key: one for key, one in loaded.items() if isinstance(one, Tensor)})


def _named_weights(state: Mapping[Any, Tensor]) -> ClassWeights | None:
    """Return the one matrix of class weights among tensors, which may stand beside a backbone's."""
    state = {str(key): one for key, one in state.items()}
    if any(one.ndim == 4 or key.endswith("running_mean") for key, one in state.items()):
        state = without_prefixes(state)[1]
        if not state:
            raise InputError(
                "expected class centres, got a network's weights without a training head; give the file of "
                "the head, or leave --centres out"
            )
    found = [
        ClassWeights(one, transposed, name)
        for name, transposed in NAMES.items()
        for key, one in state.items()
        if key.rpartition(".")[2] == name and one.ndim in (2, 3)
    ]
    matrices = {key: one for key, one in state.items() if one.ndim in (2, 3)}
    if len(found) != 1 and len(matrices) > 1:
        raise InputError(
            f"expected one matrix of class centres, got {described(matrices)}; save one of them alone: "
            "torch.save(matrix, 'centres.pt')"
        )
    if len(found) == 1 or not matrices:
        return found[0] if found else None
    # Whatever its name, the only one was meant.
    return ClassWeights(next(iter(matrices.values())), False)


def head_weights(head: Mapping[str, Tensor], dim: int, path: Path) -> ClassWeights | None:
    """Return the class weights among the tensors beside a backbone.

    The result is None unless one of the tensors has `dim` rows or columns, or sub-centres of that many
    dimensions, and no further layer follows on it.

    Args:
        head: The tensors by their names.
        dim: Number of dimensions of an embedding.
        path: The file's name in error messages.

    Warns:
        InputWarning: If several tensors can be class weights; then none is taken.

    Raises:
        InputError: If a tensor of that many rows or columns may belong to another layer, by its name.
    """
    refuse_layers({key: one for key, one in head.items() if dim in one.shape}, path)
    head = {key: one for key, one in head.items() if means_head(key)}
    found = {
        key: one
        for key, one in head.items()
        if (one.ndim == 2 and dim in one.shape) or (one.ndim == 3 and one.shape[2] == dim)
    }
    if any(_is_followed(key, head, dim) for key in found):
        # The first layer of several has no classes.
        return None
    if len(found) > 1:
        warnings.warn(
            f"{path}: {described(found)} can be class weights, and none is taken; save one of them "
            "alone, and give it as --centres",
            InputWarning,
            stacklevel=4,
        )
    if len(found) != 1:
        return None
    ((key, weights),) = found.items()
    name = key.rpartition(".")[2]
    return ClassWeights(weights, NAMES.get(name, False), name)


def _is_followed(key: str, head: Mapping[str, Tensor], dim: int) -> bool:
    """Return whether a head has a layer on the outputs of one of its matrices."""
    outputs = head[key].shape[0 if head[key].shape[-1] == dim else 1]
    return any(one.ndim == 2 and one.shape[1] == outputs for name, one in head.items() if name != key)
