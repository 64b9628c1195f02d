"""The cost of a training, estimated from a few of its steps."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from recognition.options import TrainingPrecision
from recognition.recogniser import EMBEDDING_BATCH
from recognition.runtime import Device, peak_memory
from recognition.training import schedule
from recognition.training.options import TrainingOptions
from recognition.training.trainer import Trainer

#: Number of steps at each image size.
STEPS = 20
#: Number of those steps that are not timed, because the first ones are slower.
WARM_UP_STEPS = 2


@dataclass(frozen=True)
class DryRun:
    """What a training would cost.

    Args:
        images_per_second: Throughput of the timed steps.
        memory: Peak memory, bytes.
        seconds: Duration of the whole training, evaluations included.
    """

    images_per_second: float
    memory: int
    seconds: float


def dry_run(
    data: str | os.PathLike[str],
    options: TrainingOptions,
    *,
    device: Device = "auto",
    precision: TrainingPrecision = "auto",
    workers: int = 0,
    start_from: str | os.PathLike[str] | None = None,
    teacher: str | os.PathLike[str] | None = None,
    compiled: bool = False,
    unlabelled: str | os.PathLike[str] | None = None,
) -> DryRun:
    """Train `STEPS` steps at each image size of the training, write nothing, and estimate the cost.

    The arguments are those of `recognition.training.train.train`.

    Raises:
        InputError: As `train` does.
    """
    trainer = Trainer(
        data,
        options,
        device=device,
        precision=precision,
        workers=workers,
        start_from=start_from,
        teacher=teacher,
        compiled=compiled,
        unlabelled=unlabelled,
        # The files are checked by the training itself.
        skipped=(),
    )
    if trainer.teacher is not None:
        trainer.teacher.use_placeholders()
    sizes = [schedule.image_size(options, epoch) for epoch in range(options.epochs)]
    trainer.backbone.train()
    trainer.head.train()
    seconds, images, spent = 0.0, 0, 0.0
    for size in sorted(set(sizes)):
        epoch = sizes.index(size)
        batches = _endless_batches(trainer, epoch)
        for step in range(STEPS):
            if step == WARM_UP_STEPS:
                start = time.monotonic()
            trainer.step(epoch, min(step, trainer.steps_per_epoch - 1), *next(batches))
        elapsed = time.monotonic() - start
        timed = STEPS - WARM_UP_STEPS
        images, spent = images + timed * options.batch_size, spent + elapsed
        seconds += sizes.count(size) * trainer.steps_per_epoch * elapsed / timed
    held_out = [key for key, _ in trainer.data.held_out()]
    if held_out:
        start = time.monotonic()
        trainer.embed(held_out[:EMBEDDING_BATCH])
        batches_of_held_out = len(held_out) / min(len(held_out), EMBEDDING_BATCH)
        seconds += options.epochs * batches_of_held_out * (time.monotonic() - start)
    return DryRun(images / spent, peak_memory(trainer.device), seconds)


def _endless_batches(trainer: Trainer, epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    while True:
        yield from trainer.batches(epoch)
