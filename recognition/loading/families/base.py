"""What a family of networks states about itself, and helpers to read shapes out of a state dict."""

import itertools
import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from recognition.backbones.ir_body import BodyIResNet
from recognition.errors import InputError
from recognition.loading.state_dicts import State
from recognition.recogniser import Preprocessing

#: Factor by which an IResNet body shrinks its input: four strides of 2.
_SHRINKING = 16
#: Largest side of the last feature map; 14 is that of 224x224 images.
_MAX_MAP = 64


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
        readings: Values of `--preset` between which the keys do not decide, the assumed one first; empty if
            they do.
        adapt: Puts the module, with its weights, behind another one, which makes its input of images of shape
            (batch, 3, side, side); None leaves it as it is.
    """

    module: nn.Module
    architecture: dict[str, Any]
    preprocessing: Preprocessing
    reason: str
    class_weights: str | None = None
    class_weights_transposed: bool = False
    head_prefixes: tuple[str, ...] = ()
    readings: tuple[str, ...] = ()
    adapt: Callable[[nn.Module], nn.Module] | None = None


@dataclass(frozen=True)
class Guess:
    """What is assumed of a network whose names fit several projects.

    Args:
        reason: The projects in words; begins with "ambiguous".
        readings: Values of `--preset` between which the file does not decide, the assumed one first.
    """

    reason: str
    readings: tuple[str, ...]


@dataclass(frozen=True)
class Family:
    """The networks of one project.

    Args:
        keys: Keys that all state dicts of the family have and no family before it has together.
        build: Returns the network of a state dict with these keys; the path is for error messages.
        marks: Keys of dicts around the tensors, and prefixes before their names, one of which the project
            writes; none if it writes state dicts as they are.
        missing: Keys that no state dict of the family has.
        proofs: Names beside the tensors, or prefixes that follow each other, one of which shows that the
            project wrote a file; anyone's module may have the attributes that `marks` are. Empty if the keys
            show it.
        guess: What holds without a proof; None if there are no proofs.
    """

    keys: tuple[str, ...]
    build: Callable[[State, Path], Network]
    marks: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ()
    guess: Guess | None = None

    def matches(self, state: State, marks: Sequence[str]) -> bool:
        """Return whether a state dict is of this family.

        Args:
            state: Tensors by name.
            marks: Keys of the dicts and prefixes around them, as in `Weights`.
        """
        return (
            all(key in state for key in self.keys)
            and not any(key in state for key in self.missing)
            and (not self.marks or any(mark in self.marks for mark in marks))
        )

    def is_proved(self, marks: Sequence[str], beside: Collection[str]) -> bool:
        """Return whether a state dict that matches was written by this project.

        Args:
            marks: Keys of the dicts and prefixes around the tensors, as in `Weights`.
            beside: The names beside the tensors, likewise.
        """
        around = "".join(marks)
        return not self.proofs or any(proof in beside or proof in around for proof in self.proofs)


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


def body_network(state: State, path: Path, *, inner_norm: bool) -> tuple[BodyIResNet, dict[str, Any], int]:
    """Return the network of a state dict with the keys `body.N.res_layer.*`, its options and input size.

    The keys of squeeze-and-excitation that TFace and AdaFace call `se_block` are renamed in the state dict.

    Raises:
        InputError: If the body does not have four stages, has bottlenecks, or takes no square images.
    """
    options = body_options(state, path, inner_norm=inner_norm)
    for key in [key for key in state if ".res_layer.se_block." in key]:
        state[key.replace("se_block", str(6 if inner_norm else 5))] = state.pop(key)
    network = BodyIResNet(**options)
    channels, inputs = options["channels"][-1], state["output_layer.3.weight"].shape[1]
    side = math.isqrt(inputs // channels)
    if side * side * channels != inputs or not 1 <= side <= _MAX_MAP:
        raise InputError(
            f"{path}: expected a network for square images ({channels} inputs of its last layer for each "
            f"of s*s positions), got {inputs}"
        )
    network.output_layer[3] = nn.Linear(inputs, options["embedding_size"])
    return network, options, side * _SHRINKING


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
    if "body.0.res_layer.7.weight" in state:
        raise InputError(
            f"{path}: expected units of two convolutions, got bottlenecks of three, as IR-152 and IR-200 of "
            "TFace have"
        )
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
        "excitation": any(
            f"body.0.res_layer.{name}.fc1.weight" in state for name in ("se_block", second + 2)
        ),
        "affine": "output_layer.4.weight" in state,
    }
    if len(units) != 4:
        raise InputError(f"{path}: expected an IResNet body of four stages, got units {units}")
    return options
