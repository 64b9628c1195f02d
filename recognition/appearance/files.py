"""Files of what commands fitted on faces."""

import os

from torch import Tensor

from recognition.checkpoint import read_safetensors
from recognition.errors import InputError


def read_fitted(
    path: str | os.PathLike[str], what: str, *, command: str, file_format: str
) -> dict[str, Tensor]:
    """Return the tensors of a file.

    Args:
        path: The file.
        what: What error messages call it.
        command: The command of `python -m recognition` that writes such files.
        file_format: The format that its metadata must name.

    Raises:
        InputError: If the file does not exist, is damaged or of another kind.
    """
    tensors, metadata = read_safetensors(path, what)
    if metadata.get("format") != file_format:
        raise InputError(
            f"{path}: expected a file of 'python -m recognition {command}' ({file_format}), got another file"
        )
    return tensors
