"""Intermediate results on disk: a stopped audit goes on where it was, and ends with the same report.

They show people, so that their owner alone may read them, and they are removed when the report is done.
"""

import contextlib
import json
import os
import time
import types
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from recognition.content import changed_parts
from recognition.errors import InputError
from recognition.files import printable, read_json
from recognition.images import atomic_path, remove_leftovers

Unit = TypeVar("Unit")
_PLAN, _README = "plan.json", "README.txt"
_NOTICE = """The intermediate results of an audit by arcinvert, for its owner alone.

They hold what the report hides: names of people, paths of photographs, templates, crops of faces and
reconstructions. A stopped audit goes on from them when its command is repeated. They are removed when the
report is done, unless --keep-work is given; this folder can be removed at any time. Never pass it on.
"""


class Cache:
    """A folder of units, each a dataclass of arrays in one .npz file; a complete one is not computed again.

    A unit's fields may be arrays, numbers, texts, tuples and dictionaries of them, dataclasses of them, or
    None where the annotation allows it.

    Args:
        folder: Made if it does not exist.
        plan: What decides the units, by part, as JSON; units of another plan are removed.
        others: Folders of the same work that are only read, such as those of other shards.

    Raises:
        InputError: If the folder cannot be written, or holds something else.
    """

    def __init__(
        self, folder: Path, plan: Mapping[str, Any], others: Callable[[], Iterable[Path]] = tuple
    ) -> None:
        self.folder, self._others = folder, others
        #: What has changed since the units there were made, which are gone; empty if nothing has.
        self.changed: list[str] = []
        path = folder / _PLAN
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_folder(folder, path)
            # It may be of another time, or have been made by hand.
            folder.chmod(0o700)
            remove_leftovers(folder)
        except OSError as error:
            raise InputError(
                f"{printable(folder)}: cannot be written ({error.strerror}); choose another --out"
            ) from None
        with atomic_path(folder / _README, mode=0o600) as temporary:
            temporary.write_text(_NOTICE, encoding="utf-8")
        if path.exists():
            begun = _read_plan(path)
            self.changed = changed_parts(begun["plan"], json.loads(json.dumps(plan)))
            if not self.changed:
                self.fresh, self.created = False, str(begun["created"])
                return
            # The plan goes last: units without a plan are refused, and those of another one never used.
            for unit in folder.glob("*.npz"):
                unit.unlink()
        #: Whether no earlier run left units for this one.
        self.fresh = True
        self.created = _now()
        with atomic_path(path, mode=0o600) as temporary:
            temporary.write_text(json.dumps({"created": self.created, "plan": plan}, indent=1))

    def get_or_compute(self, key: str, kind: type[Unit], make: Callable[[], Unit]) -> Unit:
        """Return the unit of a key, computed and written if there is none, or a damaged one."""
        if (found := self.read(key, kind)) is not None:
            return found
        made = make()
        self.write(key, made)
        return made

    def write(self, key: str, unit: Any) -> None:
        """Write the unit of a key, completely or not at all."""
        with atomic_path(_file(self.folder, key), mode=0o600) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **dict(_flatten("", unit)))

    def read(self, key: str, kind: type[Unit]) -> Unit | None:
        """Return the unit of a key; None if it is missing or damaged."""
        if (found := _read(_file(self.folder, key), kind)) is not None:
            return found
        units = (_read(_file(folder, key), kind) for folder in self._others())
        return next((unit for unit in units if unit is not None), None)

    def remove(self) -> None:
        """Remove the folder, but not what others put into it."""
        for path in (*self.folder.glob("*.npz"), self.folder / _README, self.folder / _PLAN):
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def read_plan(folder: Path) -> dict[str, Any]:
    """Return what decides the units of a folder, by part.

    Raises:
        InputError: If it is no folder of an audit's work.
    """
    plan: dict[str, Any] = _read_plan(folder / _PLAN)["plan"]
    return plan


def _file(folder: Path, key: str) -> Path:
    return folder / f"{key}.npz"


def _read(path: Path, kind: type[Unit]) -> Unit | None:
    """Return the unit of a file; None if it is missing or damaged."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            unit: Unit = _restore(kind, "", {name: file[name] for name in file.files})
            return unit
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile, zlib.error):
        # A machine that lost its power may leave a file without its content.
        return None


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


def _check_folder(folder: Path, plan: Path) -> None:
    """Check that a folder is the user's own, and of an audit or empty.

    Raises:
        InputError: If it is not.
    """
    if hasattr(os, "getuid") and folder.stat().st_uid != os.getuid():
        raise InputError(
            f"{printable(folder)}: expected a folder of your own, got another user's; choose another --out"
        )
    names = {path.name for path in folder.iterdir() if not path.name.endswith(".part")}
    if names - {_README} and not plan.exists():
        raise InputError(
            f"{printable(folder)}: expected the work of an audit or an empty folder, got other files in it; "
            "choose another --out"
        )


def _read_plan(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path, "the plan of an audit")
        return {"created": content["created"], "plan": dict(content["plan"])}
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{path}: expected the plan of an audit, got a damaged file; remove its folder, or choose "
            "another --out"
        ) from None


def _now() -> str:
    """Return the time, UTC; that of SOURCE_DATE_EPOCH if it is set, as for reproducible builds."""
    seconds = float(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
