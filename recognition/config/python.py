"""Options as JSON, and as keywords of a Python function."""

import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, get_type_hints

#: Width of the lines that `takes` adds to a docstring.
_WIDTH = 100


def to_json(options: Any) -> dict[str, Any]:
    """Return options as JSON takes them: lists for tuples, texts for paths."""
    return {name: _jsonable(value) for name, value in asdict(options).items()}


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _jsonable(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_jsonable(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def takes(options: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function whose `**options` are the fields of a class, so that `help()` lists them.

    The signature gets a keyword for every field, and the docstring a line for each.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        signature = inspect.signature(function)
        hints = get_type_hints(options)
        own = [
            parameter
            for parameter in signature.parameters.values()
            if parameter.kind is not parameter.VAR_KEYWORD
        ]
        names = {parameter.name for parameter in own}
        added = [
            inspect.Parameter(
                entry.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=entry.default if entry.default_factory is MISSING else entry.default_factory(),
                annotation=hints[entry.name],
            )
            for entry in fields(options)
            if entry.init and entry.name not in names
        ]
        function.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
        lines = "\n".join(
            textwrap.fill(
                f"{entry.name}: {entry.metadata['help']}.",
                _WIDTH,
                initial_indent=4 * " ",
                subsequent_indent=8 * " ",
            )
            for entry in fields(options)
        )
        doc = inspect.cleandoc(function.__doc__ or "")
        function.__doc__ = f"{doc}\n\nOptions, of `{options.__name__}`:\n{lines}\n"
        return function

    return decorate
