"""The progress of one epoch: its loss and throughput, a progress bar and TensorBoard events."""

import time
from typing import Any, Self

from tqdm import tqdm

from recognition.training.tensorboard_logger import TensorBoardLogger


class EpochProgress:
    """Context that measures an epoch, shows a progress bar and writes each step to TensorBoard.

    Args:
        title: What the progress bar is called.
        steps: Number of steps of the epoch.
        batch_size: Number of images per step.
        first_step: Number of the epoch's first step, counted over the whole training from 0.
        tensorboard: Where each step is written.
    """

    def __init__(
        self, title: str, *, steps: int, batch_size: int, first_step: int, tensorboard: TensorBoardLogger
    ) -> None:
        self._title = title
        self._images = steps * batch_size
        self._steps, self._batch_size = steps, batch_size
        self._next_step = first_step
        self._tensorboard = tensorboard
        self._total_loss = 0.0
        #: Duration of the epoch, seconds, once the context is left.
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._start = self._previous = time.monotonic()
        self._bar = tqdm(total=self._images, desc=self._title, unit="image")
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._start
        self._bar.close()

    def add(self, loss: float, learning_rate: float) -> None:
        """Count one step with its loss and learning rate."""
        now = time.monotonic()
        self._tensorboard.write(
            self._next_step,
            loss=loss,
            learning_rate=learning_rate,
            images_per_second=self._batch_size / (now - self._previous),
        )
        self._next_step += 1
        self._previous = now
        self._total_loss += loss
        self._bar.update(self._batch_size)
        self._bar.set_postfix(loss=f"{loss:.3f}", refresh=False)

    def describe(self) -> dict[str, Any]:
        """Return the mean loss, the images per second and the seconds of the finished epoch."""
        return {
            "loss": round(self._total_loss / self._steps, 5),
            "images_per_second": round(self._images / self.seconds, 1),
            "seconds": round(self.seconds, 1),
        }
