"""TensorBoard events of a training."""

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from recognition.errors import InputError


class TensorBoardLogger:
    """Writes figures a step; what a killed training wrote after its last epoch is purged.

    Args:
        folder: of the event files.
        first_step: the step that comes next.

    Raises:
        InputError: the folder cannot be written.
    """

    def __init__(self, folder: Path, *, first_step: int = 0) -> None:
        try:
            self._writer = SummaryWriter(str(folder), purge_step=first_step)
        except OSError as error:
            raise InputError(f"{folder}: cannot be written ({error.strerror}); free some space") from None

    def write(self, step: int, **figures: float) -> None:
        """Note figures by their names."""
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()
