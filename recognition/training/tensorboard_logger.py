"""The values of each step as TensorBoard events."""

from pathlib import Path

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from recognition.errors import InputError


class TensorBoardLogger:
    """Writes values by step. Events that an interrupted training wrote after its last state are purged.

    Args:
        folder: Where the event files are.
        first_step: Number of the first step that will be written.

    Raises:
        InputError: If the folder cannot be written.
    """

    def __init__(self, folder: Path, *, first_step: int = 0) -> None:
        try:
            self._writer = SummaryWriter(str(folder), purge_step=first_step)
        except OSError as error:
            raise InputError(f"{folder}: cannot be written ({error.strerror}); free some space") from None

    def write(self, step: int, **values: float) -> None:
        """Write values of a step by their names."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def write_picture(self, step: int, name: str, picture: Tensor) -> None:
        """Write a picture of a step, (3, h, w) in [0, 1]."""
        self._writer.add_image(name, picture, step)

    def flush(self) -> None:
        """Write all events to the file."""
        self._writer.flush()

    def close(self) -> None:
        """Flush the events and close the file."""
        self._writer.close()
