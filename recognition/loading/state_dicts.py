"""State dicts: taken out of what a file holds, and assigned to a module."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recognition import checkpoint
from recognition.errors import InputError, one_line
from recognition.files import is_file
from recognition.loading.conversions import dense_refusal, export, name_of, one_state
from recognition.loading.torch_files import read_torch_file

State = dict[str, Tensor]

#: Most tensors of a network; IResNet-200 has 1,400.
MAX_TENSORS = 10_000
#: Keys under which other projects store a backbone's state dict, those that are taken before others first.
_WRAPPERS = ("state_dict_backbone", "state_dict", "model", "backbone", "model_state_dict", "net")
#: Most dicts in each other around a state dict.
_MAX_WRAPPERS = 3
#: Most keys that an error message lists.
_MAX_LISTED = 8
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
#: First parts of the names of training heads, which stand beside a backbone's prefix.
_HEADS = frozenset(
    {
        *("head", "heads", "fc", "parallel_fc", "classifier", "logits", "kernel", "weight", "arcface"),
        *("loss", "loss_fn", "criterion", "margin", "metric", "metric_fc", "product"),
    }
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
    """

    tensors: State
    head: State
    marks: tuple[str, ...]
    stored: State


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


def is_state(value: Any) -> bool:
    """Return whether a value is a dict of named tensors."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(key, str) and isinstance(one, Tensor) for key, one in value.items())
    )


def find_weights(loaded: Any, path: Path) -> Weights:
    """Return the tensors inside what a file holds, with floating-point tensors in float32.

    Args:
        loaded: A state dict, or dicts around it as training frameworks write them.
        path: The file's name in error messages.

    Raises:
        InputError: If there is no state dict of dense tensors in it, or several and none is the usual one.
    """
    wrappers: list[str] = []
    while isinstance(loaded, dict) and not is_state(loaded) and len(wrappers) < _MAX_WRAPPERS:
        key = next((key for key in _WRAPPERS if isinstance(loaded.get(key), dict)), None)
        if key is None:
            key = _only_state(loaded, path, wrappers)
        if key is None:
            break
        wrappers.append(key)
        loaded = loaded[key]
    state = _checked(loaded, path)
    tensors, head, prefixes = without_prefixes(state)
    return Weights(tensors, head, (*wrappers, *prefixes), state)


def _only_state(loaded: dict[Any, Any], path: Path, wrappers: Sequence[str]) -> str | None:
    """Return the key of the one dict of tensors among a dict's values; None if there is none.

    Args:
        loaded: The dict.
        path: The file.
        wrappers: The keys that led to the dict.
    """
    keys = [key for key, value in loaded.items() if isinstance(key, str) and is_state(value)]
    if len(keys) > 1:
        raise InputError(
            f"{path}: expected one state dict, got {_listed(keys)}; save the network's alone: "
            f"{one_state(path, [*wrappers, keys[0]])}"
        )
    return keys[0] if keys else None


def _listed(keys: Sequence[Any]) -> str:
    shown = ", ".join(repr(key)[:50] for key in keys[:_MAX_LISTED])
    return f"{len(keys)} ({shown}{', ...' if len(keys) > _MAX_LISTED else ''})"


def _checked(loaded: Any, path: Path) -> State:
    if not isinstance(loaded, dict) or not loaded:
        raise InputError(
            f"{path}: expected a state dict, got {type(loaded).__name__}; save the network's weights alone: "
            f"torch.save(network.state_dict(), '{name_of(path, '.pth')}')"
        )
    others = [
        key for key, value in loaded.items() if not isinstance(key, str) or not isinstance(value, Tensor)
    ]
    if others:
        saved = name_of(path, ".pth")
        raise InputError(
            f"{path}: expected a state dict of named tensors, got other values in it under "
            f"{_listed(others)}; save the weights alone: torch.save(network.state_dict(), '{saved}')"
        )
    if len(loaded) > MAX_TENSORS:
        raise InputError(
            f"{path}: expected at most {MAX_TENSORS:,} tensors, got {len(loaded):,}; export the network to "
            f"ONNX where its code is: {export(path)}"
        )
    if any(value.layout != torch.strided or value.is_quantized for value in loaded.values()):
        raise InputError(dense_refusal(path))
    if any(value.is_meta or value.is_nested for value in loaded.values()):
        raise InputError(f"{path}: expected tensors with values, got others; get an intact copy")
    return {key: value.float() if value.is_floating_point() else value for key, value in loaded.items()}


def without_prefixes(state: State) -> tuple[State, State, tuple[str, ...]]:
    """Return a backbone's tensors without the prefixes that all share, those of its head, and the prefixes.

    A head's names do not need the prefix: `head.kernel` stands beside `model.input_layer.0.weight`.
    """
    head: State = {}
    prefixes: list[str] = []
    while state:
        prefix = _shared(state)
        if prefix is None:
            backbone = {key: value for key, value in state.items() if key.split(".")[0] not in _HEADS}
            prefix = _shared(backbone)
            if prefix is None:
                break
            head |= {key: value for key, value in state.items() if key not in backbone}
            state = backbone
        state = {key.removeprefix(prefix): value for key, value in state.items()}
        prefixes.append(prefix)
    return state, head, tuple(prefixes)


def _shared(state: State) -> str | None:
    """Return a prefix of all names; None if there is none, or no name."""
    return next((one for one in _PREFIXES if state and all(key.startswith(one) for key in state)), None)


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
