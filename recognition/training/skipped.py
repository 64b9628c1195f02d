"""The faces that a training leaves out because they cannot be read."""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from recognition.data.folders import Split
from recognition.errors import InputError
from recognition.files import read_json
from recognition.images import atomic_path
from recognition.options import OnUnreadable

#: Keys in the file, and what files of that kind are called in errors.
_BEFORE, _LATER = "before_training", "while_training"
_WHAT = "a list of skipped faces"


class SkippedFaces:
    """Which faces a training leaves out, by their names relative to the data.

    Those that were found before the first epoch are no part of the data. Those that are found later, because
    they were damaged in a way that only decoding shows or have changed since, are replaced by others in their
    batches.

    Args:
        root: The folder that names are relative to.
        on_unreadable: Whether unreadable faces are skipped or end the training.
        before: Names that an earlier part of this training left out, so that its data stays the same; None
            checks all files.
    """

    def __init__(self, root: Path, on_unreadable: OnUnreadable, before: Iterable[str] | None = None) -> None:
        self.on_unreadable = on_unreadable
        self._root = root
        self._check = before is None
        self._before = set(before or ())
        self._later: set[str] = set()

    @property
    def names(self) -> list[str]:
        """Names of all faces that were left out, sorted."""
        return sorted(self._before | self._later)

    @property
    def before(self) -> list[str]:
        """Names of the faces that were left out before the first epoch, sorted."""
        return sorted(self._before)

    @property
    def later(self) -> list[str]:
        """Names of the faces that were found while training, sorted."""
        return sorted(self._later)

    def name(self, key: Path) -> str:
        """Return the name of a face relative to the data."""
        return os.path.relpath(key, self._root)

    def add(self, keys: Iterable[Path]) -> None:
        """Count faces that were found while training."""
        self._later |= {self.name(key) for key in keys}

    def add_names(self, names: Iterable[str]) -> None:
        """Count faces that were found while training, by another rank or an earlier run."""
        self._later |= set(names)

    def leave_out(self, unlisted: Mapping[Path, InputError]) -> None:
        """Leave out what is damaged so that it is not known whose faces it has.

        Args:
            unlisted: Its keys, with the error of each.

        Raises:
            InputError: If there is any and the training is to stop.
        """
        if unlisted and self.on_unreadable == "stop":
            first = next(iter(unlisted.values()))
            raise InputError(f"{first} ({len(unlisted)} in all; --on-unreadable skip goes on without them)")
        if self._check:
            self._before |= {self.name(key) for key in unlisted}

    def readable(self, split: Split, check: Callable[[Path], object]) -> Split:
        """Return a split without the faces that cannot be read, and without identities that have no other.

        Args:
            split: The split of all faces.
            check: Raises an InputError if a face cannot be read.

        Raises:
            InputError: If there is one and the training is to stop, or no face to train on is left.
        """
        parts = (split.train, split.held_out)
        count = sum(len(keys) for part in parts for keys in part.values())
        keys = (key for part in parts for keys in part.values() for key in keys)
        first = self._check_all(keys, count, check) if self._check else None
        train, held_out = (
            {name: kept for name, files in part.items() if (kept := self._kept(files))} for part in parts
        )
        if not train and first is not None:
            raise first
        return Split(train, held_out, split.reserved)

    def readable_keys(self, keys: Sequence[Path], check: Callable[[Path], object]) -> Sequence[Path]:
        """Return those of some faces that can be read.

        Args:
            keys: The faces.
            check: Raises an InputError if a face cannot be read.

        Raises:
            InputError: If there is one and the training is to stop.
        """
        if self._check and keys:
            self._check_all(iter(keys), len(keys), check)
        return self._kept(keys)

    def _check_all(
        self, keys: Iterator[Path], count: int, check: Callable[[Path], object]
    ) -> InputError | None:
        first, found = None, len(self._before)
        for key in tqdm(keys, desc="check", unit="image", total=count):
            try:
                check(key)
            except InputError as error:
                first = first or error
                self._before.add(self.name(key))
        if first is not None and self.on_unreadable == "stop":
            raise InputError(
                f"{len(self._before) - found} of {count} faces cannot be read, such as {first}; "
                "replace or remove them, or use --on-unreadable skip"
            )
        return first

    def _kept(self, keys: Sequence[Path]) -> Sequence[Path]:
        """Return the keys that are not left out: the same sequence if all are kept."""
        if not self._before:
            return keys
        kept = [key for key in keys if self.name(key) not in self._before]
        return keys if len(kept) == len(keys) else kept

    def write(self, path: Path) -> None:
        """Write the names to a file, whole or not at all; without names there is no file, nor an older one.

        Raises:
            InputError: If the file cannot be written.
        """
        if self._before or self._later:
            content = {_BEFORE: sorted(self._before), _LATER: sorted(self._later)}
            with atomic_path(path) as temporary:
                temporary.write_text(json.dumps(content, indent=1))
        else:
            path.unlink(missing_ok=True)

    def load_later(self, path: Path) -> None:
        """Add the names that an earlier part of this training found while it trained."""
        self.add_names(_names(path, _LATER))


def skipped_before(path: Path) -> tuple[str, ...]:
    """Return the names that were left out before the first epoch, of a file that `SkippedFaces` wrote.

    Without the file there are none.

    Raises:
        InputError: If it is another file.
    """
    return _names(path, _BEFORE)


def _names(path: Path, key: str) -> tuple[str, ...]:
    if not path.exists():
        return ()
    names = read_json(path, _WHAT).get(key)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"{path}: expected {_WHAT}, got something else; remove the folder or use another --out"
        )
    return tuple(names)
