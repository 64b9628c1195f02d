"""Intermediate results on disk: a stopped audit goes on where it was, and ends with the same report."""

import json
import os
import time
import types
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InputError
from recognition.images import atomic_path, remove_leftovers

Unit = TypeVar("Unit")
_PLAN = "plan.json"


class Cache:
    """A folder of units, each a dataclass of arrays in one .npz file; a complete one is not computed again.

    A unit's fields may be arrays, numbers, texts, tuples and dictionaries of them, dataclasses of them, or
    None where the annotation allows it.

    Args:
        folder: Made if it does not exist.
        plan: What decides the units, as JSON; a folder of another plan is refused.

    Raises:
        InputError: If the folder cannot be written, or holds another audit.
    """

    def __init__(self, folder: Path, plan: Mapping[str, Any]) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(folder)
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be written ({error.strerror}); choose another --out"
            ) from None
        path = folder / _PLAN
        if path.exists():
            begun = _read_plan(path)
            if begun["plan"] != json.loads(json.dumps(plan)):
                raise InputError(
                    f"{folder}: expected the work of an audit with these options and inputs, got another's; "
                    "choose another --out, or remove it"
                )
            self.created = str(begun["created"])
            return
        self.created = _now()
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps({"created": self.created, "plan": plan}, indent=1))

    def get_or_compute(self, key: str, kind: type[Unit], make: Callable[[], Unit]) -> Unit:
        """Return the unit of a key, computed and written if there is none, or a damaged one."""
        if (found := self.read(key, kind)) is not None:
            return found
        made = make()
        with atomic_path(self._path(key)) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **dict(_flatten("", made)))
        return made

    def read(self, key: str, kind: type[Unit]) -> Unit | None:
        """Return the unit of a key; None if it is missing or damaged."""
        try:
            with self._path(key).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                unit: Unit = _restore(kind, "", {name: file[name] for name in file.files})
                return unit
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            # A machine that lost its power may leave a file without its content.
            return None

    def has(self, key: str) -> bool:
        """Return whether there is a file for a key."""
        return self._path(key).exists()

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.npz"


def _flatten(name: str, value: Any) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the arrays in a value with their names, such as `embeddings/judges/0`."""
    if value is None:
        return
    if is_dataclass(value):
        items = [(entry.name, getattr(value, entry.name)) for entry in fields(value)]
    elif isinstance(value, Mapping):
        items = list(value.items())
    elif isinstance(value, tuple):
        items = [(str(number), one) for number, one in enumerate(value)]
    else:
        yield name, np.asarray(value)
        return
    for part, one in items:
        yield from _flatten(f"{name}/{part}" if name else part, one)


def _restore(hint: Any, name: str, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Return the value of a type whose arrays `_flatten` named.

    Raises:
        KeyError: If an array is missing.
    """
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        if name not in arrays and not _parts(name, arrays):
            return None
        (hint,) = (one for one in get_args(hint) if one is not type(None))
        return _restore(hint, name, arrays)
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return hint(  # type: ignore[operator]
            **{
                entry.name: _restore(
                    hints[entry.name], f"{name}/{entry.name}" if name else entry.name, arrays
                )
                for entry in fields(hint)
            }
        )
    if origin is tuple:
        return tuple(_restore(get_args(hint)[0], f"{name}/{part}", arrays) for part in _parts(name, arrays))
    if origin is dict:
        return {part: _restore(get_args(hint)[1], f"{name}/{part}", arrays) for part in _parts(name, arrays)}
    return arrays[name].item() if hint in (float, int, str) else arrays[name]


def _parts(name: str, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
    """Return the names directly below a name, in their order."""
    begin = f"{name}/"
    return list(
        dict.fromkeys(key.removeprefix(begin).split("/")[0] for key in arrays if key.startswith(begin))
    )


def _read_plan(path: Path) -> dict[str, Any]:
    try:
        content = dict(json.loads(path.read_text(encoding="utf-8")))
        return {"created": content["created"], "plan": content["plan"]}
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{path}: expected the plan of an audit, got a damaged file; remove its folder, or choose "
            "another --out"
        ) from None


def _now() -> str:
    """Return the time, UTC; that of SOURCE_DATE_EPOCH if it is set, as for reproducible builds."""
    seconds = float(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
