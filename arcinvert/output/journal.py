"""The finished batches of a run, in its folder while it runs: with them a run that was killed goes on."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recognition.content import changed_parts
from recognition.errors import InputError
from recognition.files import parse_json, read_bytes

JOURNAL_NAME = "progress.jsonl"
#: Largest journal in bytes: half a kilobyte for each of eight million images.
_MAX_BYTES = 4 << 30


@dataclass(frozen=True)
class FinishedBatch:
    """A batch whose images are written.

    Args:
        number: Its number from 0.
        first: The index of its first image among all of the run.
        size: The size of batches when it was made.
        samples: Its entries of result.json.
    """

    number: int
    first: int
    size: int
    samples: list[dict[str, Any]]


class Journal:
    """One line of JSON for the run, and one for each finished batch.

    Args:
        folder: Where the images of the run are, and the journal; None keeps no journal. What is in it of
            another run is removed.
        run: Returns what decides the images, by part, as JSON.

    Raises:
        InputError: If the folder cannot be written.
    """

    def __init__(self, folder: Path | None, run: Callable[[], Mapping[str, Any]]) -> None:
        self._path = None if folder is None else folder / JOURNAL_NAME
        #: The batches that an earlier run has finished.
        self.finished: list[FinishedBatch] = []
        #: What has changed since an earlier run, all of which is done anew; empty if nothing has.
        self.changed: list[str] = []
        if self._path is None:
            return
        if self._path.exists():
            self._restore(self._path, dict(json.loads(json.dumps(run()))))
        else:
            append_line(self._path, run())

    def add(self, batch: FinishedBatch) -> None:
        """Note a batch, all images of which are written.

        Raises:
            InputError: If the disk is full.
        """
        if self._path is not None:
            append_line(self._path, vars(batch))

    def remove(self) -> None:
        """Remove the file, as the run is complete."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def _restore(self, path: Path, run: dict[str, Any]) -> None:
        """Read what is finished; whatever follows the last whole batch is removed."""
        kept, begun = 0, False
        for line in read_bytes(path, "the journal of a run", _MAX_BYTES).splitlines(keepends=True):
            content = parsed_line(line)
            if content is None:
                break
            if not begun:
                self.changed = changed_parts(content, run)
                if self.changed:
                    # Images of two attacks in one result would be neither's.
                    for written in path.parent.iterdir():
                        written.unlink()
                    kept = 0
                    break
                begun = True
            else:
                batch = _batch_of(content, path.parent)
                if batch is None:
                    break
                self.finished.append(batch)
            kept += len(line)
        if kept:
            with path.open("r+b") as file:
                file.truncate(kept)
        if not begun:
            path.unlink(missing_ok=True)
            append_line(path, run)


def append_line(path: Path, content: Mapping[str, Any]) -> None:
    """Add an object as a line to a journal.

    Raises:
        InputError: If the disk is full.
    """
    try:
        with path.open("ab") as file:
            file.write(json.dumps(content).encode() + b"\n")
    except OSError as error:
        raise InputError(f"{path.parent}: cannot be written ({error.strerror}); free some space") from None


def _batch_of(content: dict[str, Any], folder: Path) -> FinishedBatch | None:
    """Return the batch of a line; None if the line is damaged or an image is gone."""
    try:
        batch = FinishedBatch(**content)
        names = [str(sample["image"]) for sample in batch.samples]
    except (TypeError, KeyError):
        return None
    present = all(Path(name).name == name and (folder / name).is_file() for name in names)
    return batch if names and present else None


def parsed_line(line: bytes) -> dict[str, Any] | None:
    """Return the object of a line; None if it is torn, as after a kill in the middle of writing it."""
    try:
        content = parse_json(line.decode()) if line.endswith(b"\n") else None
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def has_finished(folder: Path) -> bool:
    """Return whether a folder has the journal of a run with at least one finished batch."""
    try:
        with (folder / JOURNAL_NAME).open("rb") as file:
            return sum(line.endswith(b"\n") for line, _ in zip(file, range(2), strict=False)) == 2
    except OSError:
        return False
