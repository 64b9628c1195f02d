"""What a family of networks states about itself, and helpers to read shapes out of a state dict."""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from recognition.errors import InputError
from recognition.loading.state_dicts import State
from recognition.recogniser import Preprocessing


@dataclass(frozen=True)
class Network:
    """A network without weights, on torch's meta device, and what is known of it.

    Args:
        module: Takes prepared images, shape (batch, 3, h, w), and returns raw embeddings, (batch, dim).
        architecture: Family and size for reports; `embedding_size` is one of its keys.
        preprocessing: How its project prepares images.
        reason: Why this preprocessing is assumed, in words.
        class_weights: Key of the class weights in the state dict, or None if it has none.
        class_weights_transposed: Whether the class weights have shape (dim, classes).
        head_prefixes: Prefixes of the keys that belong to the training head and not to the backbone.
    """

    module: nn.Module
    architecture: dict[str, Any]
    preprocessing: Preprocessing
    reason: str
    class_weights: str | None = None
    class_weights_transposed: bool = False
    head_prefixes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Family:
    """The networks of one project.

    Args:
        keys: Keys that all state dicts of the family have and no family before it has together.
        build: Returns the network of a state dict with these keys; the path is for error messages.
    """

    keys: tuple[str, ...]
    build: Callable[[State, Path], Network]


def rows(state: State, key: str, path: Path, dimensions: int) -> int:
    """Return the number of rows of a tensor of the state dict.

    Raises:
        InputError: If it is missing, has no rows, or has another number of dimensions.
    """
    if key not in state or state[key].ndim != dimensions or not state[key].shape[0]:
        raise InputError(f"{path}: expected {key!r} of {dimensions} dimensions in the state dict, found none")
    return state[key].shape[0]


def count_numbers(state: State, pattern: str) -> int:
    """Return how many different values the pattern's first group has among the keys."""
    return len({match[1] for key in state if (match := re.match(pattern, key))})


def body_options(state: State, path: Path, *, inner_norm: bool) -> dict[str, Any]:
    """Return the options of `BodyIResNet` for a state dict with the keys `body.N.res_layer.*`.

    Args:
        state: Tensors by name.
        path: The file's name in error messages.
        inner_norm: Whether each unit has a BatchNorm layer after its first convolution.

    Raises:
        InputError: If the body does not have four stages.
    """
    second = 4 if inner_norm else 3
    count = count_numbers(state, r"body\.(\d+)\.")
    outputs = [rows(state, f"body.{unit}.res_layer.{second}.weight", path, 4) for unit in range(count)]
    # Weights do not show strides; a new stage starts where the number of channels changes.
    starts = [0, *(unit for unit in range(1, count) if outputs[unit] != outputs[unit - 1]), count]
    units = [end - start for start, end in itertools.pairwise(starts)]
    options: dict[str, Any] = {
        "units": units,
        "channels": [outputs[start] for start in starts[:-1]],
        "embedding_size": rows(state, "output_layer.3.weight", path, 2),
        "inner_norm": inner_norm,
        "excitation": f"body.0.res_layer.{second + 2}.fc1.weight" in state,
        "affine": "output_layer.4.weight" in state,
    }
    if len(units) != 4:
        raise InputError(f"{path}: expected an IResNet body of four stages, got units {units}")
    return options
