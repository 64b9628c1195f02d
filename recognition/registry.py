"""Parts by name: registries that import a part when it is first used, and parts built from one word."""

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from recognition.errors import InputError

Part = TypeVar("Part")


@dataclass(frozen=True)
class Entry:
    """One part of a registry.

    Args:
        path: Where the part is defined, as `module:attribute`; imported when the part is first used.
        summary: What the part is, in one line, for help texts.
    """

    path: str
    summary: str


class Registry(Mapping[str, Part], Generic[Part]):
    """Parts by the names that options take.

    Listing the names imports nothing, so that the command line can show them without loading torch.

    Args:
        kind: What error messages call a part, such as `penalty`.
        entries: Name to where the part is and what it is. A new part is one more line.

    Example:
        >>> entry = Entry("recognition.heads.fixed_margin:ArcFaceHead", "additive angular margin")
        >>> heads = Registry("head", {"arcface": entry})
        >>> heads["arcface"]
        <class 'recognition.heads.fixed_margin.ArcFaceHead'>
    """

    def __init__(self, kind: str, entries: Mapping[str, Entry]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> Part:
        """Return the part of this name.

        Raises:
            InputError: If no part has this name.
        """
        self.check(name)
        module, _, attribute = self._entries[name].path.partition(":")
        return cast(Part, getattr(importlib.import_module(module), attribute))

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def check(self, name: str) -> None:
        """Raise an InputError that lists the known names if `name` is not one of them."""
        if name not in self._entries:
            raise InputError(f"{self.kind}: expected one of {', '.join(self._entries)}, got {name!r}")

    def register(self, name: str, entry: Entry) -> None:
        """Add a part from outside this package, such as a plug-in's or a test's.

        Options take the name from then on; help texts that were made before do not list it.

        Raises:
            ValueError: If there is a part of this name.
        """
        if name in self._entries:
            raise ValueError(f"{self.kind}: expected a new name, got {name!r}, which is taken")
        self._entries[name] = entry

    def unregister(self, name: str) -> None:
        """Remove a part that `register` added.

        Raises:
            InputError: If no part has this name.
        """
        self.check(name)
        del self._entries[name]

    def help(self) -> str:
        """Return all names with their summaries, for a help text."""
        return "; ".join(f"{name}: {entry.summary}" for name, entry in self._entries.items())


def build(
    kind: str,
    spec: str,
    registry: Mapping[str, Callable[..., Part]],
    *arguments: Any,
    defaults: Mapping[str, Any] | None = None,
) -> Part:
    """Build the part that a word names, with its numeric options.

    Args:
        kind: What error messages call the part, such as `head`.
        spec: `name` or `name:option=number,option=number`.
        registry: Name to class. A keyword-only parameter that has a default is an option.
        arguments: Positional arguments of every class in the registry.
        defaults: Values of options that a class may have and that `spec` does not give.

    Raises:
        InputError: If no part has this name, the part has no such option, or a value is not a number.
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
