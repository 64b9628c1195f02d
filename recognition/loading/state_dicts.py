"""State dicts: taken out of what a file holds, and assigned to a module."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from recognition import checkpoint
from recognition.errors import InputError, one_line
from recognition.files import is_file
from recognition.loading.torch_files import read_torch_file

State = dict[str, Tensor]

#: Most tensors of a network; IResNet-200 has 1,400.
MAX_TENSORS = 10_000
#: Keys under which other projects store a backbone's state dict.
_WRAPPERS = ("state_dict_backbone", "state_dict", "model", "backbone", "model_state_dict", "net")
#: Prefixes that parallel wrappers and training frameworks put before every name.
_PREFIXES = ("module.", "backbone.", "model.", "_orig_mod.", "net.", "encoder.", "features_extractor.")
#: Prefix of a training head, which the prefixes above need not precede.
_HEAD = "head."


def read_state_dict(path: Path) -> State:
    """Return the state dict of a .safetensors or torch file, without common prefixes and in float32.

    Raises:
        InputError: If the file does not exist, is damaged, or holds something else.
    """
    if not is_file(path):
        raise InputError(f"{path}: expected a file of weights, found no such file; check the path")
    loaded = read_safetensors(path) if path.suffix.lower() == ".safetensors" else read_torch_file(path)
    return without_prefixes(unwrap(loaded, path))


def read_safetensors(path: Path) -> State:
    """Return the tensors of a .safetensors file.

    Raises:
        InputError: If it is damaged or of another kind.
    """
    return checkpoint.read_safetensors(path, "a file of weights")[0]


def unwrap(loaded: Any, path: Path) -> State:
    """Return the state dict inside what a file holds, with floating-point tensors in float32.

    Args:
        loaded: A state dict, or dicts around it as training frameworks write them.
        path: The file's name in error messages.

    Raises:
        InputError: If there is no state dict of dense tensors in it.
    """
    for _ in range(2):
        key = next(
            (k for k in _WRAPPERS if isinstance(loaded, dict) and isinstance(loaded.get(k), dict)), None
        )
        if key is None:
            break
        loaded = loaded[key]
    if not isinstance(loaded, dict) or not loaded:
        raise InputError(f"{path}: expected a state dict, got {type(loaded).__name__}")
    if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in loaded.items()):
        raise InputError(f"{path}: expected a state dict of named tensors, got other values in it")
    if len(loaded) > MAX_TENSORS:
        raise InputError(f"{path}: expected at most {MAX_TENSORS:,} tensors, got {len(loaded):,}")
    if any(value.layout != torch.strided or value.is_quantized for value in loaded.values()):
        raise InputError(f"{path}: expected dense tensors, got sparse or quantised ones; export it to ONNX")
    if any(value.is_meta or value.is_nested for value in loaded.values()):
        raise InputError(f"{path}: expected tensors with values, got others; get an intact copy")
    return {key: value.float() if value.is_floating_point() else value for key, value in loaded.items()}


def without_prefixes(state: State) -> State:
    """Return the state dict without the prefixes that all names share, except those of a training head."""
    while backbone := [key for key in state if not key.startswith(_HEAD)]:
        prefix = next((p for p in _PREFIXES if all(key.startswith(p) for key in backbone)), None)
        if prefix is None:
            break
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


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
