"""How a report writes figures, numbers and options."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from recognition.metrics.text import interval_text

#: Rows of the ranking that a document shows; the JSON has them all.
RANKED = 40


def figure_text(figure: Mapping[str, Any] | None, *, digits: int = 3) -> str:
    """Return a figure with its interval; a dash for None."""
    return "-" if figure is None else interval_text(figure, digits)


def number_text(value: float | None, digits: int = 3) -> str:
    """Return a number; a dash for None."""
    return "-" if value is None else f"{value:.{digits}f}"


def time_text(created: str) -> str:
    """Return the time of an audit for readers, such as `2026-01-02 03:04 UTC`.

    Args:
        created: ISO 8601, as audit.json has it; what is none, in a file from elsewhere, stays as it is.
    """
    try:
        return f"{datetime.fromisoformat(created).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError):
        return created


def options_toml(options: Mapping[str, Any]) -> str:
    """Return options as the TOML that `--config` reads; those that are not given are left out.

    Args:
        options: As `recognition.config.to_json` returns them; a nested class of options becomes a table.
    """
    tables = {name: value for name, value in options.items() if isinstance(value, Mapping)}
    lines = [
        f"{name} = {_toml(value)}"
        for name, value in options.items()
        if name not in tables and value is not None
    ]
    for name, table in tables.items():
        given = {key: value for key, value in table.items() if value not in (None, {})}
        if given:
            lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in given.items())]
    return "\n".join(lines)


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(name)} = {_toml(one)}" for name, one in value.items() if one is not None)
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(_toml(one) for one in value)}]"
    # JSON's numbers, texts and booleans are TOML's, except that it escapes no DEL character.
    return json.dumps(value).replace("\x7f", "\\u007f")


def type_text(result: Mapping[str, Any]) -> str:
    """Return of which type the figures are that compare with the judges' photograph."""
    words = {"type_1": "Type I", "type_2": "Type II", "unknown": "Type I or II"}
    return words[result["threat_model"]["reference"]["type"]]
