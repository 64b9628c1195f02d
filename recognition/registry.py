"""A part and its options in one word, `name:option=value,option=value`, as command lines give them."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from recognition.errors import InputError

Part = TypeVar("Part")


def build(
    kind: str,
    spec: str,
    registry: Mapping[str, Callable[..., Part]],
    *arguments: Any,
    defaults: Mapping[str, Any] | None = None,
) -> Part:
    """The part that a word names, with its numeric options.

    Args:
        kind: what errors call the part, such as `head`.
        spec: `name` or `name:option=number,...`.
        registry: name to class; a keyword-only parameter with a default is an option.
        arguments: positional arguments of every class in the registry.
        defaults: values of options that a class may have and `spec` does not give.

    Raises:
        InputError: no part has this name, it has no such option, or a value is no number.
    """
    name, _, listed = spec.partition(":")
    if name not in registry:
        raise InputError(f"{kind}: expected one of {', '.join(registry)}, got {name!r}")
    make = registry[name]
    known = {
        parameter.name: parameter.default
        for parameter in inspect.signature(make).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    values = {option: value for option, value in (defaults or {}).items() if option in known}
    for item in listed.split(",") if listed else ():
        option, equals, text = item.partition("=")
        if not equals or option not in known:
            has = ", ".join(known) or "none"
            raise InputError(f"{kind} {name}: expected options of it as option=value ({has}), got {item!r}")
        try:
            values[option] = type(known[option])(text)
        except ValueError:
            raise InputError(f"{kind} {name}: expected a number for {option}, got {text!r}") from None
    return make(*arguments, **values)
