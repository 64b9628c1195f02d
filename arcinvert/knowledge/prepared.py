"""How images were prepared for a network when a file about it was made: it holds with no other preset."""

import json
import os
from collections.abc import Mapping

from recognition.errors import InputError
from recognition.files import parse_json
from recognition.recogniser import Preprocessing, Recogniser

_KEY = "preprocessing"


def to_metadata(preprocessing: Preprocessing | None) -> dict[str, str]:
    """Return the entry of a file's metadata; none where it is not known."""
    return {} if preprocessing is None else {_KEY: json.dumps(vars(preprocessing))}


def from_metadata(metadata: Mapping[str, str]) -> Preprocessing | None:
    """Return what a file's metadata says; None for files of earlier versions, which do not say it.

    Raises:
        ValueError: If it says something else.
    """
    if _KEY not in metadata:
        return None
    stored = parse_json(metadata[_KEY])
    if not isinstance(stored, dict) or stored.keys() != vars(Preprocessing()).keys():
        raise ValueError("a preprocessing expected")
    return Preprocessing(**stored)


def refuse_another(
    path: str | os.PathLike[str], made_with: Preprocessing | None, recogniser: Recogniser, what: str
) -> None:
    """Refuse a file that was made with images prepared in another way.

    Args:
        path: The file.
        made_with: How they were prepared for it; None is not refused.
        recogniser: The network that it is to be used with.
        what: What the file is, and what makes it anew, in an error message.

    Raises:
        InputError: If the recogniser prepares them in another way.
    """
    if made_with is not None and made_with != recogniser.preprocessing:
        raise InputError(
            f"{path}: expected {what} with the same --preset, got one of {made_with} for "
            f"{recogniser.preprocessing}; give the --preset that it was made with, or make it anew"
        )
