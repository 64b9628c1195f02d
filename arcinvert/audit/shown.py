"""What a report says of the files of an audit: their names, and not where they are on this machine."""

import os
from pathlib import Path
from typing import Any

from arcinvert.audit.options import AuditOptions
from recognition.config import kinds, to_json
from recognition.files import printable
from recognition.loading.choice import with_preset


def shown_options(options: AuditOptions) -> dict[str, Any]:
    """Return the options of an audit as JSON, with the names of files and folders in place of their paths."""
    shown = to_json(options)
    for name, kind in kinds(AuditOptions).items():
        if kind.base is Path and shown[name] is not None:
            shown[name] = file_name(shown[name])
    for name in ("model", "surrogate"):
        shown[name] = model_name(getattr(options, name))
    if options.judges is not None:
        shown["judges"] = [model_name(judge) for judge in options.judges]
    shown["variants"] = [f"{name}={model_name(model)}" for name, model in options.variant_models().items()]
    return shown


def file_name(path: str) -> str:
    """Return the last part of a path."""
    return printable(Path(os.path.abspath(path)).name)  # noqa: PTH100 - a link keeps its name


def model_name(model: str) -> str:
    """Return how a network was given, with the name of its file in place of the path.

    Args:
        model: A name, a file, or `package.module:factory@weights`; any of them with @PRESET behind it.
    """
    choice = with_preset(model)
    preset = "" if choice.preset is None else f"@{choice.preset}"
    code, at, weights = str(choice).rpartition("@")
    if at and ":" in code and not Path(str(choice)).exists():
        return f"{printable(code)}@{file_name(weights)}{preset}"
    return f"{file_name(str(choice))}{preset}"


def cleaned(value: Any) -> Any:
    """Return JSON whose texts every reader takes: other bytes than UTF-8 are shown by their values."""
    if isinstance(value, dict):
        return {cleaned(name): cleaned(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [cleaned(one) for one in value]
    if not isinstance(value, str):
        return value
    try:
        return printable(value)
    except UnicodeError:
        # Half a character of UTF-16, which is no byte of a name.
        return value.encode("utf-8", "backslashreplace").decode()
