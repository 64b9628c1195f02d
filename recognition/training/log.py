"""The log of a training: one entry and one histogram of angles per finished epoch."""

import json
from pathlib import Path
from typing import Any

from recognition.files import parse_json
from recognition.images import atomic_path
from recognition.training.angles import BINS, DEGREES


class TrainingLog:
    """What each finished epoch reported, in memory and as files.

    `entries` holds one dictionary of figures per epoch, `angles` one histogram per epoch.
    """

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.angles: list[list[int]] = []

    @property
    def finished_epochs(self) -> int:
        """Number of epochs that are in the log."""
        return len(self.entries)

    def append(self, entry: dict[str, Any], angles: list[int]) -> None:
        """Add a finished epoch: its figures and its histogram of angles."""
        self.entries.append(entry)
        self.angles.append(angles)

    def write(self, folder: Path) -> None:
        """Write log.jsonl and angles.json, each whole or not at all.

        Raises:
            InputError: If the folder cannot be written.
        """
        with atomic_path(folder / "log.jsonl") as temporary:
            temporary.write_text("".join(json.dumps(entry) + "\n" for entry in self.entries))
        with atomic_path(folder / "angles.json") as temporary:
            temporary.write_text(json.dumps({"bins": BINS, "degrees": DEGREES, "epochs": self.angles}))

    def to_json(self) -> str:
        """Return the log as JSON, for the state of a training."""
        return json.dumps({"entries": self.entries, "angles": self.angles})

    def load_json(self, text: str) -> None:
        """Replace the log by one that `to_json` returned."""
        content = parse_json(text)
        self.entries, self.angles = list(content["entries"]), list(content["angles"])
