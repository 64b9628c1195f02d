"""The cost of a training, estimated from a few of its steps."""

import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from recognition.options import TrainingPrecision
from recognition.recogniser import EMBEDDING_BATCH
from recognition.runtime import Device, peak_memory
from recognition.training import schedule
from recognition.training.group import Group, joined
from recognition.training.memory import centres_memory
from recognition.training.options import TrainingOptions
from recognition.training.trainer import Trainer

#: Number of steps at each image size.
STEPS = 20
#: Number of those steps that are not timed, because the first ones are slower.
WARM_UP_STEPS = 2
#: Number of exchanges between ranks of which the shortest counts.
_EXCHANGES = 3


@dataclass(frozen=True)
class DryRun:
    """What a training would cost.

    Args:
        images_per_second: Throughput of the timed steps.
        memory: Peak memory, bytes, of the rank that has most.
        seconds: Duration of the whole training, evaluations included.
        ranks: Number of ranks.
        centres: Memory of the class centres among it, bytes, as `centres_memory` computes it.
        traffic: Bytes that a rank exchanges with the others in a step.
        exchange: Seconds that exchanging so many takes, if nothing is computed meanwhile.
        step: Seconds of a step.
    """

    images_per_second: float
    memory: int
    seconds: float
    ranks: int
    centres: int
    traffic: float
    exchange: float
    step: float

    def describe(self) -> str:
        """Return the cost as lines of text."""
        hours, minutes = divmod(round(self.seconds / 60), 60)
        each = "" if self.ranks == 1 else " of each rank"
        lines = [
            f"{self.images_per_second:.1f} images/s, peak memory{each} {self.memory / 2**30:.2f} GiB "
            f"({self.centres / 2**30:.2f} GiB for the class centres, computed), estimated duration {hours} h "
            f"{minutes:02} min"
        ]
        if self.ranks > 1:
            lines.append(
                f"{self.ranks} ranks exchange {self.traffic / 1e6:.1f} MB each in a step: "
                f"{self.exchange:.4f} s if nothing is computed meanwhile, of {self.step:.4f} s"
            )
        return "\n".join(lines)


def dry_run(
    data: str | os.PathLike[str],
    options: TrainingOptions,
    *,
    device: Device = "auto",
    precision: TrainingPrecision = "auto",
    workers: int | None = None,
    start_from: str | os.PathLike[str] | None = None,
    teacher: str | os.PathLike[str] | None = None,
    compiled: bool = False,
    unlabelled: str | os.PathLike[str] | None = None,
) -> DryRun:
    """Train `STEPS` steps at each image size of the training, write nothing, and estimate the cost.

    The arguments are those of `recognition.training.train.train`, and so are the ranks.

    Raises:
        InputError: As `train` does.
    """
    with joined(device) as group:
        trainer = Trainer(
            data,
            options,
            precision=precision,
            workers=workers,
            start_from=start_from,
            teacher=teacher,
            compiled=compiled,
            unlabelled=unlabelled,
            # The files are checked by the training itself.
            skipped=(),
            group=group,
        )
        if trainer.teacher is not None:
            trainer.teacher.use_placeholders()
        return _measure(trainer)


def _measure(trainer: Trainer) -> DryRun:
    options, group = trainer.options, trainer.group
    sizes = [schedule.image_size(options, epoch) for epoch in range(options.epochs)]
    trainer.start_epoch(resumed=False)
    seconds, steps, spent = 0.0, 0, 0.0
    before = group.traffic
    for size in sorted(set(sizes)):
        epoch = sizes.index(size)
        batches = _endless_batches(trainer, epoch)
        for step in range(STEPS):
            if step == WARM_UP_STEPS:
                start = time.monotonic()
            trainer.step(epoch, min(step, trainer.steps_per_epoch - 1), *next(batches))
        elapsed = time.monotonic() - start
        timed = STEPS - WARM_UP_STEPS
        steps, spent = steps + timed, spent + elapsed
        seconds += sizes.count(size) * trainer.steps_per_epoch * elapsed / timed
    traffic = (group.traffic - before) / (STEPS * len(set(sizes)))
    held_out = [key for key, _ in trainer.data.held_out()] if group.is_main else []
    if held_out:
        start = time.monotonic()
        trainer.embed(held_out[:EMBEDDING_BATCH])
        batches_of_held_out = len(held_out) / min(len(held_out), EMBEDDING_BATCH)
        seconds += options.epochs * batches_of_held_out * (time.monotonic() - start)
    return DryRun(
        images_per_second=steps * options.batch_size / spent,
        memory=max(group.objects(peak_memory(trainer.device))),
        seconds=seconds,
        ranks=group.size,
        centres=centres_memory(
            options,
            len(trainer.data.class_names),
            ranks=group.size,
            divided=trainer.classifier.sharded is not None,
            # A head with several centres of each class has a dimension for them.
            subcentres=math.prod(trainer.classifier.head.weight.shape[1:-1]),
        ),
        traffic=traffic,
        exchange=_exchange_seconds(group, int(traffic)),
        step=spent / steps,
    )


def _exchange_seconds(group: Group, size: int) -> float:
    """Return how long the ranks take to sum so many bytes, seconds: the shortest of some tries."""
    if group.size == 1:
        return 0.0
    values = torch.zeros(max(1, size // 4), device=group.device)
    found = []
    for _ in range(_EXCHANGES):
        group.wait()
        start = time.monotonic()
        # The sum is read, so that a GPU has finished.
        float(group.sum_(values)[0])
        found.append(time.monotonic() - start)
    return min(found)


def _endless_batches(trainer: Trainer, epoch: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    while True:
        yield from trainer.batches(epoch)
