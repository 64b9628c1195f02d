"""Check JSON against the schema of audit.json: the part of JSON Schema that it uses, without a dependency."""

import json
import math
import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from typing import Any

from recognition.errors import InputError

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_LIMITS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "minimum": ("at least", lambda value, limit: value >= limit),
    "maximum": ("at most", lambda value, limit: value <= limit),
    "exclusiveMinimum": ("more than", lambda value, limit: value > limit),
}


def audit_schema() -> dict[str, Any]:
    """Return the JSON schema of audit.json."""
    text = files("arcinvert.audit").joinpath("audit-2.schema.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def validate(value: Any, schema: Mapping[str, Any]) -> None:
    """Check a JSON value against a schema.

    Raises:
        InputError: If it does not fit; it says where.
    """
    _validate(value, schema, schema, "")


def _validate(value: Any, schema: Mapping[str, Any], whole: Mapping[str, Any], where: str) -> None:
    if "$ref" in schema:
        _validate(value, whole["$defs"][schema["$ref"].rsplit("/", 1)[1]], whole, where)
    if "anyOf" in schema:
        _any_of(value, schema["anyOf"], whole, where)
    _validate_value(value, schema, where)
    if isinstance(value, dict):
        _validate_object(value, schema, whole, where)
    if isinstance(value, list) and "items" in schema:
        for number, one in enumerate(value):
            _validate(one, schema["items"], whole, f"{where}[{number}]")


def _validate_value(value: Any, schema: Mapping[str, Any], where: str) -> None:
    """Check a value by itself: what it is, and its range."""
    if "const" in schema and value != schema["const"]:
        raise _wrong(where, repr(schema["const"]), value)
    if "enum" in schema and value not in schema["enum"]:
        raise _wrong(where, f"one of {', '.join(map(str, schema['enum']))}", value)
    if "type" in schema:
        _check_type(value, schema["type"], where)
    if isinstance(value, int | float) and not isinstance(value, bool):
        for name, (words, holds) in _LIMITS.items():
            if name in schema and not holds(value, schema[name]):
                raise _wrong(where, f"{words} {schema[name]:g}", value)


def _validate_object(
    value: dict[str, Any], schema: Mapping[str, Any], whole: Mapping[str, Any], where: str
) -> None:
    for name in schema.get("required", ()):
        if name not in value:
            raise InputError(f"{_place(where)}: expected {name}, which is missing")
    for name, one in value.items():
        inside = f"{where}.{name[:40]}" if where else name[:40]
        fitting = [schema["properties"][name]] if name in schema.get("properties", {}) else []
        fitting += [
            part for pattern, part in schema.get("patternProperties", {}).items() if re.search(pattern, name)
        ]
        if not fitting and "additionalProperties" in schema:
            if schema["additionalProperties"] is False:
                raise InputError(f"{_place(where)}: expected known fields, got {name[:40]!r}")
            fitting = [schema["additionalProperties"]]
        for part in fitting:
            _validate(one, part, whole, inside)


def _any_of(value: Any, choices: list[Mapping[str, Any]], whole: Mapping[str, Any], where: str) -> None:
    error: InputError | None = None
    for choice in choices:
        try:
            _validate(value, choice, whole, where)
        except InputError as found:
            # The first choice is the value proper, the others are null.
            error = error or found
        else:
            return
    if error is not None:
        raise error


def _check_type(value: Any, name: str, where: str) -> None:
    fits = isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))
    if not fits or (isinstance(value, float) and not math.isfinite(value)):
        raise _wrong(where, f"a finite {name}" if name == "number" else name, value)


def _wrong(where: str, expected: str, value: Any) -> InputError:
    got = type(value).__name__ if isinstance(value, dict | list) else repr(value)[:60]
    return InputError(f"{_place(where)}: expected {expected}, got {got}")


def _place(where: str) -> str:
    return where or "report"
