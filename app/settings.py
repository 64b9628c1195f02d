"""What the server was started with, and what it allows."""

from dataclasses import dataclass
from pathlib import Path

from recognition.errors import InputError
from recognition.loading import BUNDLED
from recognition.options import DeviceName

#: Largest upload, bytes.
MAX_UPLOAD = 20_000_000
#: Largest photograph that is decoded here, pixels: a page has less patience than a terminal.
MAX_PIXELS = 50_000_000
#: Most samples, all in one batch, and most steps of a job.
MAX_SAMPLES = 8
MAX_STEPS = 500
#: Endings of files that a network may be chosen from.
MODEL_SUFFIXES = frozenset({".safetensors", ".pt", ".pth", ".onnx"})


@dataclass(frozen=True)
class Settings:
    """Of one server.

    Args:
        models: folder of networks that may be chosen, besides the bundled one.
        device: where attacks run.
        time_limit: seconds a job may take.
        queue: jobs that may wait.

    Raises:
        InputError: the folder is none, or a number is out of range.
    """

    models: Path | None = None
    device: DeviceName = "auto"
    time_limit: float = 300.0
    queue: int = 8

    def __post_init__(self) -> None:
        if self.models is not None and not self.models.is_dir():
            raise InputError(f"{self.models}: expected a folder of networks for --models, found none")
        if not 0 < self.time_limit < float("inf"):
            raise InputError(f"time limit: expected a positive number of seconds, got {self.time_limit}")
        if self.queue < 1:
            raise InputError(f"queue: expected at least 1, got {self.queue}")

    def model_names(self) -> list[str]:
        """The networks that may be chosen now, the bundled one first."""
        if self.models is None or not self.models.is_dir():
            return [BUNDLED]
        return [
            BUNDLED,
            *sorted(path.name for path in self.models.iterdir() if path.suffix.lower() in MODEL_SUFFIXES),
        ]

    def model(self, name: str) -> str:
        """What `recognition.loading.load` takes for a name on the page.

        Raises:
            InputError: there is no such network, or there is none any more.
        """
        # Looked up rather than joined: a name can lead nowhere but into the folder.
        if name not in self.model_names():
            raise InputError(
                f"network: expected one of {', '.join(self.model_names())}, got {name!r}; it has gone"
            )
        return BUNDLED if self.models is None or name == BUNDLED else str(self.models / name)
