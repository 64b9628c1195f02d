"""The state of a training between two epochs, as a file from which the training resumes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from recognition.errors import InputError, one_line
from recognition.images import atomic_path

#: Marks the files; the number rises with every change of their content.
FORMAT = "arcinvert-training-2"


def write_state(path: Path, *, identity: Mapping[str, Any], content: Mapping[str, Any]) -> None:
    """Write a state, whole or not at all.

    Args:
        path: The file to write.
        identity: What a training must have in common with the state to resume from it.
        content: The state dictionaries, by name.

    Raises:
        InputError: If the file cannot be written.
    """
    with atomic_path(path) as temporary:
        try:
            torch.save({"format": FORMAT, "identity": dict(identity), **content}, temporary)
        except RuntimeError as error:
            # torch raises nothing more specific when the disk is full.
            raise InputError(
                f"{path}: cannot be written ({one_line(error)}); free some space and run the command again"
            ) from None


def read_state(path: Path, *, identity: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    """Read a state that `write_state` wrote.

    Args:
        path: The file to read.
        identity: That of the training that resumes.
        device: Where to load the tensors.

    Raises:
        InputError: If the file is damaged, has another format, or belongs to another training.
    """
    # Loaded without arbitrary pickles, because the file may come from elsewhere.
    try:
        state = dict(torch.load(path, map_location=device, weights_only=True))
    except Exception as error:
        # A damaged pickle can raise any exception.
        raise InputError(
            f"{path}: damaged training state ({type(error).__name__}); remove it or choose another --out"
        ) from None
    if state.get("format") != FORMAT:
        raise InputError(
            f"{path}: expected a training state of format {FORMAT}, got {state.get('format', 'another')}; "
            "remove it or choose another --out"
        )
    if state["identity"] != dict(identity):
        raise InputError(
            f"{path}: expected the state of a training with these options and data, got another training's; "
            "remove it or choose another --out"
        )
    return state
