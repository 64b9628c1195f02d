"""Results on disk, unit by unit: a killed audit goes on where it was, and ends with the same report."""

import json
import os
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InputError
from recognition.images import atomic_path

Unit = dict[str, NDArray[Any]]
_PLAN = "plan.json"


class Cache:
    """A folder of units; a unit that is there whole is not made again.

    Args:
        folder: made where it does not exist.
        plan: what decides the units; a folder of another plan is refused.

    Raises:
        InputError: the folder cannot be written, or holds another audit.
    """

    def __init__(self, folder: Path, plan: dict[str, Any]) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for leftover in folder.glob(".*.part"):
                leftover.unlink()
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be written ({error.strerror}); choose another --out"
            ) from None
        path = folder / _PLAN
        if path.exists():
            begun = self._read_plan(path)
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

    @staticmethod
    def _read_plan(path: Path) -> dict[str, Any]:
        try:
            content = dict(json.loads(path.read_text(encoding="utf-8")))
            return {"created": content["created"], "plan": content["plan"]}
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{path}: damaged; remove its folder, or choose another --out") from None

    def unit(self, name: str, make: Callable[[], Unit]) -> Unit:
        """The arrays of a unit, made and written where they are not there whole."""
        if (found := self.read(name)) is not None:
            return found
        made = make()
        with atomic_path(self._path(name)) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **made)
        return made

    def read(self, name: str) -> Unit | None:
        """The arrays of a unit; None where it is missing or damaged."""
        try:
            with self._path(name).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                return {key: file[key] for key in file.files}
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            # A machine that lost its power may leave a file without its content.
            return None

    def has(self, name: str) -> bool:
        return self._path(name).exists()

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"


def _now() -> str:
    """The time, UTC; that of SOURCE_DATE_EPOCH where it is set, as reproducible builds ask."""
    seconds = float(os.environ.get("SOURCE_DATE_EPOCH", time.time()))
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
