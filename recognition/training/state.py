"""The state of a training between two steps, as a file from which the training resumes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recognition.errors import InputError, one_line
from recognition.loading.torch_files import read_torch_file, write_torch_file

#: Marks the files; the number rises with every change of their content.
FORMAT = "arcinvert-training-4"
#: Largest file in bytes: ten million class centres with their momentum and average have 60 GB.
_LARGEST = 128 << 30


def write_state(path: Path, *, identity: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    """Write a state, whole or not at all.

    Args:
        path: The file to write.
        identity: What a training must have in common with the state to resume from it.
        content: The state dictionaries, by name.

    Raises:
        InputError: If the file cannot be written.
    """
    write_torch_file(path, {"format": FORMAT, "identity": dict(identity), **content})


def read_state(path: Path, *, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Read a state that `write_state` wrote.

    Args:
        path: The file to read.
        identity: That of the training that resumes.

    Raises:
        InputError: If the file is damaged, has another format, or belongs to another training.
    """
    try:
        state = read_torch_file(path, _LARGEST)
    except InputError as error:
        raise InputError(
            f"{path}: damaged training state ({one_line(error)}); remove it or choose another --out"
        ) from None
    found = state.get("format", "another") if isinstance(state, dict) else "another"
    if found != FORMAT:
        raise InputError(
            f"{path}: expected a training state of format {FORMAT}, got {found}; remove it or choose "
            "another --out"
        )
    if state.get("identity") != dict(identity):
        raise InputError(
            f"{path}: expected the state of a training with these options and data, got another training's; "
            "remove it or choose another --out"
        )
    return state


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Return the states of the random generators that a step on a device draws from."""
    states = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    if device.type == "mps":
        states["mps"] = torch.mps.get_rng_state()
    return states


def set_random_state(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Set the random generators to states that `random_state` returned; another device's are ignored."""
    torch.set_rng_state(states["cpu"])
    if device.type == "cuda" and "cuda" in states:
        torch.cuda.set_rng_state(states["cuda"], device)
    if device.type == "mps" and "mps" in states:
        torch.mps.set_rng_state(states["mps"])
