"""Where the values of options come from: the command line, NAME=VALUE pairs and TOML files."""

import argparse
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

from recognition.config.fields import Kind, check_name, kinds
from recognition.errors import InputError, one_line
from recognition.files import read_text

#: Largest file of options in bytes.
_MAX_TOML = 1 << 20


def add_arguments(
    parser: argparse.ArgumentParser,
    options: type,
    *,
    exclude: Iterable[str] = (),
    shown: Mapping[str, str] | None = None,
) -> None:
    """Add an argument for every field to a parser, in groups.

    An argument that is not given is absent from the parsed namespace, so that `gather` can tell.

    Args:
        parser: Where to add the arguments.
        options: The class of options.
        exclude: Names of fields that the command line does not take.
        shown: What to show as the default of a field whose default is None, by name.
    """
    groups: dict[str, Any] = {}
    for entry in fields(options):
        if not entry.init or entry.name in exclude:
            continue
        title = entry.metadata["group"]
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        _add_argument(groups[title], entry, kinds(options)[entry.name], (shown or {}).get(entry.name))


def _add_argument(group: Any, entry: Any, kind: Kind, shown: str | None) -> None:
    flag = entry.metadata["flag"] or f"--{entry.name.replace('_', '-')}"
    text = entry.metadata["help"].replace("%", "%%")
    if shown is None and entry.default not in (None, MISSING, ()):
        default = entry.default
        shown = " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
    if shown:
        text += f" (default: {shown})".replace("%", "%%")
    keywords: dict[str, Any] = {"dest": entry.name, "default": argparse.SUPPRESS, "help": text}
    metavar = entry.metadata["metavar"]
    if kind.mapping or is_dataclass(kind.base):
        keywords |= {"nargs": "+", "action": "extend", "metavar": metavar or "NAME=VALUE"}
    elif kind.base is bool:
        keywords |= {"action": argparse.BooleanOptionalAction}
    elif kind.choices:
        keywords |= {"choices": kind.choices}
        # A list of many words would fill the help's first column.
        if metavar or len(kind.choices) > 4:
            keywords |= {"metavar": metavar or "NAME"}
    else:
        keywords |= {
            "type": _converter(kind),
            "metavar": metavar or {int: "N", float: "X", Path: "PATH"}.get(kind.base, "NAME"),
        }
    if kind.many:
        keywords |= {"nargs": "+", "action": "extend"}
    group.add_argument(flag, **keywords)


def _converter(kind: Kind) -> Callable[[str], Any]:
    """Return a conversion for argparse, whose errors say what was expected."""

    def convert(text: str) -> Any:
        try:
            return kind.base(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected {kind.words}, got {text!r}") from None

    return convert


def gather(options: type, namespace: argparse.Namespace, *, file: str | Path | None = None) -> dict[str, Any]:
    """Return the given values of a class of options: those of a file, overridden by the command line.

    Values are checked when the class is built of them, not here.

    Raises:
        InputError: If the file cannot be read, or a NAME=VALUE pair is malformed.
    """
    values = read_toml(options, file) if file is not None else {}
    for name, kind in kinds(options).items():
        if not hasattr(namespace, name):
            continue
        given = getattr(namespace, name)
        if is_dataclass(kind.base):
            values[name] = _merged(name, values.get(name, {}), parse_pairs(name, given, kind.base))
        elif kind.mapping:
            values[name] = _merged(name, values.get(name, {}), _parse_mapping(name, given, kind))
        else:
            values[name] = tuple(given) if kind.many else given
    return values


def _merged(name: str, below: Any, above: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table overridden by another, table in table."""
    if not isinstance(below, Mapping):
        raise InputError(f"{name}: expected a table, got {below!r}")
    tables = {
        key: _merged(f"{name} {key}", below[key], value)
        for key, value in above.items()
        if isinstance(value, Mapping) and key in below
    }
    return {**below, **above, **tables}


def read_toml(options: type, path: str | Path) -> dict[str, Any]:
    """Read the options in a TOML file, by their field names; a nested class of options is a table.

    Raises:
        InputError: If the file cannot be read, is not TOML, or names an unknown option.
    """
    text = read_text(path, "a TOML file", _MAX_TOML)
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected TOML, got something else ({one_line(error)})") from None
    try:
        return _known(options, content)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _known(options: type, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table's values under known names, nested tables alike."""
    values: dict[str, Any] = {}
    for given, value in content.items():
        name = given.replace("-", "_")
        check_name(options, name)
        nested = kinds(options)[name].base
        if is_dataclass(nested) and isinstance(value, Mapping):
            value = _known(nested, value)
        values[name] = tuple(value) if isinstance(value, list) else value
    return values


def parse_pairs(what: str, pairs: Iterable[str], options: type) -> dict[str, Any]:
    """Parse NAME=VALUE pairs as fields of a class of options, each by its type.

    Raises:
        InputError: If a pair is malformed, a name is unknown, or a value is of another type.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        given, equals, text = pair.partition("=")
        name = given.replace("-", "_")
        if not equals or not text:
            raise InputError(f"{what}: expected NAME=VALUE, got {pair!r}")
        try:
            check_name(options, name)
            kind = kinds(options)[name]
            if kind.mapping:
                # NAME=KEY=VALUE, as in penalty=colour=0.
                values[name] = {**values.get(name, {}), **_parse_mapping(name, [text], kind)}
            elif kind.many:
                values[name] = tuple(_parse(name, word, kind) for word in text.split(","))
            else:
                values[name] = _parse(name, text, kind)
        except InputError as error:
            raise InputError(f"{what}: {error}") from None
    return values


def _parse_mapping(name: str, pairs: Iterable[str], kind: Kind) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise InputError(f"{name}: expected NAME=VALUE, got {pair!r}")
        values[key] = _parse(f"{name} {key}", text, kind)
    return values


def _parse(name: str, text: str, kind: Kind) -> Any:
    if kind.base is bool:
        if text.lower() not in ("true", "false"):
            raise InputError(f"{name}: expected true or false, got {text!r}")
        return text.lower() == "true"
    try:
        return kind.base(text)
    except ValueError:
        raise InputError(f"{name}: expected {kind.words}, got {text!r}") from None
