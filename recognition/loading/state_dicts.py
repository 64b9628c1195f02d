"""State dicts: taken out of what a file holds, and assigned to a module."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recognition import checkpoint
from recognition.errors import InputError, one_line
from recognition.files import is_file
from recognition.loading.conversions import (
    dense_refusal,
    export,
    one_state,
    state_of_code,
    tensors_alone,
)
from recognition.loading.head_names import HEADS, means_head
from recognition.loading.nested_states import HEAD_TENSORS, can_be_beside, listed, open_containers
from recognition.loading.torch_files import read_torch_file

State = dict[str, Tensor]

#: Most tensors of a network; IResNet-200 has 1,400.
MAX_TENSORS = 10_000
#: Prefixes that parallel wrappers and training frameworks put before every name.
_PREFIXES = (
    "module.",
    "backbone.",
    "model.",
    "_orig_mod.",
    "net.",
    "network.",
    "encoder.",
    "features.",
    "feature_extractor.",
    "features_extractor.",
    "embedder.",
)


@dataclass(frozen=True)
class Weights:
    """The tensors of a file, apart by what they belong to.

    Args:
        tensors: The backbone's, without the prefixes that all of them share.
        head: Those of a training head that stand beside the backbone's prefix, by their names.
        marks: The keys of the dicts around the tensors, and the prefixes, the outermost first: they show
            which project wrote a file.
        stored: All tensors by the names in the file.
        beside: The other keys of the dicts around the tensors.
        prefixes: The prefixes before the backbone's names, the outermost first.
        layers: Those of `head` in the backbone's own dict whose names are no head's.
    """

    tensors: State
    head: State
    marks: tuple[str, ...]
    stored: State
    beside: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    layers: State = field(default_factory=dict)

    def by_prefixes(self) -> Iterator[State]:
        """Yield the tensors of the backbone's dict as stored, without the first prefix, and so on."""
        state = self.stored
        yield state
        for prefix in self.prefixes:
            state = {key.removeprefix(prefix): value for key, value in state.items()}
            yield state


def read_weights(path: Path) -> Weights:
    """Return the tensors of a .safetensors or torch file, in float32.

    Raises:
        InputError: If the file does not exist, is damaged, or holds something else.
    """
    if not is_file(path):
        raise InputError(f"{path}: expected a file of weights, found no such file; check the path")
    loaded = read_safetensors(path) if path.suffix.lower() == ".safetensors" else read_torch_file(path)
    return find_weights(loaded, path)


def read_safetensors(path: Path) -> State:
    """Return the tensors of a .safetensors file.

    Raises:
        InputError: If it is damaged or of another kind.
    """
    return checkpoint.read_safetensors(path, "a file of weights")[0]


def find_weights(loaded: Any, path: Path) -> Weights:
    """Return the tensors inside what a file holds, with floating-point tensors in float32.

    Args:
        loaded: A state dict, or dicts around it as training frameworks write them.
        path: The file's name in error messages.

    Raises:
        InputError: If there is no state dict of dense tensors in it, or there are several.
    """
    contents = open_containers(loaded, path)
    state = _checked(contents.network, path, contents.keys)
    tensors, head, prefixes = without_prefixes(state)
    dense = {key: one for key, one in contents.head.items() if _is_dense(one)}
    return Weights(
        tensors,
        head | dense,
        (*contents.keys, *prefixes),
        state,
        contents.beside,
        prefixes,
        {key: one for key, one in head.items() if not means_head(key)},
    )


def _checked(loaded: Any, path: Path, keys: Sequence[str]) -> State:
    if not isinstance(loaded, dict) or not loaded:
        raise InputError(
            f"{path}: expected a state dict, got {'an empty ' if loaded == {} else ''}"
            f"{type(loaded).__name__}; {_of_a_list(loaded, path)}"
        )
    others = [
        key for key, value in loaded.items() if not isinstance(key, str) or not isinstance(value, Tensor)
    ]
    if others:
        tensors = len(others) < len(loaded)
        raise InputError(
            f"{path}: expected a state dict of named tensors, got other values in it under "
            f"{listed(others)}; {tensors_alone(path, keys) if tensors else state_of_code(path)}"
        )
    if len(loaded) > MAX_TENSORS:
        raise InputError(
            f"{path}: expected at most {MAX_TENSORS:,} tensors, got {len(loaded):,}; export the network to "
            f"ONNX where its code is: {export(path)}"
        )
    if not all(map(_is_dense, loaded.values())):
        raise InputError(dense_refusal(path))
    if any(value.is_meta or value.is_nested for value in loaded.values()):
        raise InputError(f"{path}: expected tensors with values, got others; get an intact copy")
    return {key: value.float() if value.is_floating_point() else value for key, value in loaded.items()}


def _is_dense(value: Tensor) -> bool:
    return value.layout == torch.strided and not value.is_quantized


def _of_a_list(loaded: Any, path: Path) -> str:
    """Return what to do with a file that holds no dict: to save the dict of tensors in its list, if any."""
    if isinstance(loaded, list | tuple):
        places = [number for number, one in enumerate(loaded) if isinstance(one, dict) and one]
        if places:
            return f"save its dict alone: {one_state(path, [places[0]])}"
    return state_of_code(path)


def without_prefixes(state: State) -> tuple[State, State, tuple[str, ...]]:
    """Return a backbone's tensors without the prefixes that all share, those of its head, and the prefixes.

    A head's names do not need the prefix: `head.kernel` stands beside `model.input_layer.0.weight`.
    """
    head: State = {}
    prefixes: list[str] = []
    while state and (prefix := _prefix(state)) is not None:
        head |= {key: value for key, value in state.items() if not key.startswith(prefix)}
        state = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        prefixes.append(prefix)
    return state, head, tuple(prefixes)


def _prefix(state: State) -> str | None:
    """Return the prefix of all names but those of a head; None if there is none."""
    named = {key: value for key, value in state.items() if key.split(".")[0] not in HEADS}
    return _shared(state) or _shared(named) or _attribute(state)


def _shared(state: State) -> str | None:
    """Return a known prefix of all names; None if there is none, or no name."""
    return next((one for one in _PREFIXES if state and all(key.startswith(one) for key in state)), None)


def _attribute(state: State) -> str | None:
    """Return the prefix of all convolutions, where only what can be a head is beside it.

    Whatever a module calls its backbone and its head, no network has all but a few tensors in one layer.
    """
    layers = {key.partition(".")[0] for key, one in state.items() if one.ndim > 3}
    if len(layers) != 1:
        return None
    prefix = f"{layers.pop()}."
    beside = {key: one for key, one in state.items() if not key.startswith(prefix)}
    if len(state) - len(beside) <= HEAD_TENSORS or not can_be_beside(beside):
        return None
    return prefix


def assign_weights(module: nn.Module, state: State, path: Path, what: str) -> None:
    """Assign a state dict's tensors to a module, without a copy.

    Args:
        module: A module, which may be on the meta device.
        state: Tensors by name.
        path: The file's name in error messages.
        what: The network's description in error messages.

    Raises:
        InputError: If keys or shapes differ.
    """
    expected = module.state_dict()
    # Files of old torch versions do not count batches.
    counters = {key for key in expected if key.endswith("num_batches_tracked") and key not in state}
    state = state | {key: torch.tensor(0) for key in counters}
    try:
        module.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise InputError(f"{path}: its tensors do not fit {what} ({one_line(error)})") from None
