"""The state of a training between two epochs, as a file from which the training resumes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recognition.errors import InputError, one_line
from recognition.loading.torch_files import read_torch_file, write_torch_file

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
        state = read_torch_file(path)
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
