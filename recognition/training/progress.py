"""The progress of one epoch: its loss and throughput, a progress bar and TensorBoard events."""

import time
from dataclasses import dataclass, replace
from typing import Any, Self

from tqdm import tqdm

from recognition.training.tensorboard_logger import TensorBoardLogger


@dataclass(frozen=True)
class Progress:
    """What is done of an epoch.

    Args:
        steps: Number of finished steps.
        total_loss: Sum of their losses.
        seconds: Duration, seconds.
    """

    steps: int = 0
    total_loss: float = 0.0
    seconds: float = 0.0


class EpochProgress:
    """Context that measures an epoch, shows a progress bar and writes each step to TensorBoard.

    Args:
        title: What the progress bar is called.
        steps: Number of steps of the epoch.
        batch_size: Number of images per step.
        first_step: Number of the epoch's first step, counted over the whole training from 0.
        tensorboard: Where each step is written; None shows and writes nothing.
        done: What an earlier run has done of the epoch.
    """

    def __init__(
        self,
        title: str,
        *,
        steps: int,
        batch_size: int,
        first_step: int,
        tensorboard: TensorBoardLogger | None,
        done: Progress,
    ) -> None:
        self._title = title
        self._images = steps * batch_size
        self._steps, self._batch_size = steps, batch_size
        self._first_step = first_step
        self._tensorboard = tensorboard
        self._done = done

    def __enter__(self) -> Self:
        # As if the earlier run had been just before.
        self._previous = time.monotonic()
        self._start = self._previous - self._done.seconds
        first = self._done.steps * self._batch_size
        self._bar = tqdm(
            total=self._images,
            initial=first,
            desc=self._title,
            unit="image",
            disable=self._tensorboard is None,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._done = self.state()
        self._bar.close()

    def state(self) -> Progress:
        """Return what is done now."""
        return replace(self._done, seconds=time.monotonic() - self._start)

    def add(self, loss: float, learning_rate: float) -> None:
        """Count one step with its loss and learning rate."""
        now = time.monotonic()
        if self._tensorboard is not None:
            self._tensorboard.write(
                self._first_step + self._done.steps,
                loss=loss,
                learning_rate=learning_rate,
                images_per_second=self._batch_size / (now - self._previous),
            )
        self._previous = now
        self._done = Progress(self._done.steps + 1, self._done.total_loss + loss, now - self._start)
        self._bar.update(self._batch_size)
        self._bar.set_postfix(loss=f"{loss:.3f}", refresh=False)

    def describe(self) -> dict[str, Any]:
        """Return the mean loss, the images per second and the seconds of the finished epoch."""
        return {
            "loss": round(self._done.total_loss / self._steps, 5),
            "images_per_second": round(self._images / self._done.seconds, 1),
            "seconds": round(self._done.seconds, 1),
        }
