"""Fields of a class of options: how they are declared, what values they take, how these are checked."""

import difflib
import operator
import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from recognition.errors import InputError


def option(
    default: Any = None,
    *,
    help: str,  # noqa: A002  (argparse's own word)
    group: str = "options",
    minimum: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
    above: float | None = None,
    choices: Iterable[str] = (),
    form: tuple[str, str] | None = None,
    metavar: str | None = None,
    flag: str | None = None,
) -> Any:
    """Declare one field of a class of options.

    Args:
        default: The value where none is given. Tuples and dictionaries may be empty.
        help: A complete phrase that says what the option is.
        group: Title of the group of `--help` that the option is listed in.
        minimum: Smallest value allowed.
        maximum: Largest value allowed.
        below: Values must be less than this.
        above: Values must be greater than this.
        choices: The words that are allowed, where the annotation is not a `Literal`; a registry will do.
        form: A regular expression of the texts that are allowed, and how error messages say it.
        metavar: What `--help` calls the value.
        flag: The command-line flag, where it is not the field's name with dashes.
    """
    metadata = {
        "help": help,
        "group": group,
        "minimum": minimum,
        "maximum": maximum,
        "below": below,
        "above": above,
        "choices": choices,
        "form": form,
        "metavar": metavar,
        "flag": flag,
    }
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Kind:
    """What values an option takes.

    Args:
        base: bool, int, float, str, Path, or a nested class of options.
        many: Whether the option takes several values (a tuple).
        mapping: Whether the option takes NAME=VALUE pairs (a dictionary of strings to `base`).
        optional: Whether None, "not given", is allowed.
        choices: The words that are allowed; empty where any value of the type is.
    """

    base: type
    many: bool
    mapping: bool
    optional: bool
    choices: tuple[str, ...]

    @property
    def words(self) -> str:
        """What error messages call a value."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        return {bool: "true or false", int: "a whole number", float: "a number", Path: "a path"}.get(
            self.base, "a text"
        )


_hints = cache(get_type_hints)


def kinds(options: Any) -> dict[str, Kind]:
    """Return what values each field of a class of options takes, by field name."""
    # The choices are read anew each time: a registry may have gained a part.
    hints = _hints(options)
    return {
        entry.name: _kind(hints[entry.name], tuple(entry.metadata.get("choices", ())))
        for entry in fields(options)
        if entry.init
    }


def _kind(hint: Any, choices: tuple[str, ...]) -> Kind:
    optional = False
    if get_origin(hint) in (Union, types.UnionType):
        parts = get_args(hint)
        optional = type(None) in parts
        (hint,) = (part for part in parts if part is not type(None))
    many, mapping = get_origin(hint) is tuple, get_origin(hint) is dict
    if many:
        hint = get_args(hint)[0]
    if mapping:
        hint = get_args(hint)[1]
        if get_origin(hint) in (Union, types.UnionType):
            (hint,) = (part for part in get_args(hint) if part is not type(None))
    if get_origin(hint) is Literal:
        return Kind(str, many, mapping, optional, tuple(get_args(hint)))
    return Kind(hint, many, mapping, optional, choices)


def check_name(options: type, name: str) -> None:
    """Raise an InputError that suggests the nearest name if a class of options has no such field."""
    known = list(kinds(options))
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
        raise InputError(f"expected a known option, got {name!r}; the nearest is {near!r}")


def check(options: Any) -> None:
    """Check every field of an instance of options; integers of numpy become Python's.

    Call it from `__post_init__`. A dictionary or tuple is checked item by item.

    Raises:
        InputError: If a value is of another type, out of its range, or not among the choices.
    """
    known: dict[str, Kind] = kinds(type(options))
    for entry in fields(options):
        if not entry.init:
            continue
        kind = known[entry.name]
        value = getattr(options, entry.name)
        if value is None and kind.optional:
            continue
        if kind.mapping:
            if not isinstance(value, Mapping):
                raise InputError(f"{entry.name}: expected a dictionary of names to values, got {value!r}")
            value = {
                str(name): None
                if one is None
                else _checked(f"{entry.name} {name}", one, kind, entry.metadata)
                for name, one in value.items()
            }
        elif kind.many:
            if isinstance(value, str) or not isinstance(value, Iterable):
                raise InputError(f"{entry.name}: expected several values, got {value!r}")
            value = tuple(_checked(entry.name, one, kind, entry.metadata) for one in value)
        else:
            value = _checked(entry.name, value, kind, entry.metadata)
        object.__setattr__(options, entry.name, value)


def _checked(name: str, value: Any, kind: Kind, limits: Mapping[str, Any]) -> Any:
    value = _typed(name, value, kind)
    if kind.choices and value not in kind.choices:
        raise InputError(f"{name}: expected {kind.words}, got {value!r}")
    if limits["form"] is not None and not re.fullmatch(limits["form"][0], value):
        raise InputError(f"{name}: expected {limits['form'][1]}, got {value!r}")
    if kind.base in (int, float):
        expected = _range(kind, limits)
        fits = (
            (limits["minimum"] is None or value >= limits["minimum"])
            and (limits["above"] is None or value > limits["above"])
            and (limits["maximum"] is None or value <= limits["maximum"])
            and (limits["below"] is None or value < limits["below"])
            and value == value
            and abs(value) != float("inf")
        )
        if not fits:
            raise InputError(f"{name}: expected {expected}, got {value}")
    return value


def _typed(name: str, value: Any, kind: Kind) -> Any:
    """Return a value as the option's type; raises InputError where it is of another."""
    if is_dataclass(kind.base):
        if isinstance(value, kind.base):
            return value
        if isinstance(value, Mapping):
            return _nested(name, value, kind.base)
        raise InputError(f"{name}: expected a table of options, got {value!r}")
    try:
        return _CONVERTERS[kind.base](value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{name}: expected {kind.words}, got {value!r}") from None


def _nested(name: str, values: Mapping[str, Any], options: type) -> Any:
    """Return a nested class of options, made of a table; errors begin with the table's name."""
    try:
        for one in values:
            check_name(options, one)
        return options(**values)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _as_bool(value: Any) -> bool:
    # numpy's booleans are not Python's.
    if isinstance(value, bool) or type(value).__name__ in ("bool", "bool_"):
        return bool(value)
    raise TypeError


def _as_int(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)


def _as_float(value: Any) -> float:
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        raise TypeError
    try:
        return float(value)
    except OverflowError:
        # An integer of hundreds of digits.
        raise TypeError from None


def _as_str(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError


_CONVERTERS: dict[type, Callable[[Any], Any]] = {
    bool: _as_bool,
    int: _as_int,
    float: _as_float,
    str: _as_str,
    Path: Path,
}


def _range(kind: Kind, limits: Mapping[str, Any]) -> str:
    low = (
        f"from {limits['minimum']:g}"
        if limits["minimum"] is not None
        else f"above {limits['above']:g}"
        if limits["above"] is not None
        else ""
    )
    high = (
        f"to {limits['maximum']:g}"
        if limits["maximum"] is not None
        else f"to below {limits['below']:g}"
        if limits["below"] is not None
        else "up"
        if limits["minimum"] is not None
        else ""
    )
    number = "a whole number" if kind.base is int else "a finite number"
    return " ".join(part for part in (number, low, high) if part)
