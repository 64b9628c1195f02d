"""The batches of a run: which images are inverted together and then judged, here or by several workers."""

import gc
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from arcinvert.attack import Task
from arcinvert.evaluation.calibration import thresholds
from arcinvert.evaluation.crops import to_crop_size
from arcinvert.evaluation.judges import Judge
from arcinvert.evaluation.scores import Verdict, judge_images
from arcinvert.inversion.progress import OnStep
from arcinvert.inversion.result import Inversion
from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.output.journal import FinishedBatch
from arcinvert.plan import AttackPlan
from arcinvert.subjects.subject import Subject
from arcinvert.workers.base import OnJobStep, Workers, in_order
from arcinvert.workers.progress import StepsOfAll
from recognition.errors import InputError, is_out_of_memory
from recognition.images import to_uint8
from recognition.recogniser import Recogniser

_log = logging.getLogger(__name__)


class BatchAttacker(Protocol):
    """What a run needs of an attacker."""

    recogniser: Recogniser
    knowledge: Knowledge
    dtype: torch.dtype

    @property
    def device(self) -> torch.device:
        """Where attacks run."""
        ...

    def prepare(self, plan: AttackPlan, on_step: OnStep | None = None) -> None:
        """Do what the first batch of a plan needs and no later one repeats."""
        ...

    def run_batch(
        self,
        tasks: Sequence[Task],
        plan: AttackPlan,
        *,
        batch: int,
        batches: int,
        on_step: OnStep | None,
    ) -> Inversion:
        """Return the inversion of one batch."""
        ...


@dataclass(frozen=True)
class BatchJob:
    """A batch to be inverted and judged.

    Args:
        number: Its number from 0.
        tasks: Its images.
        batches: The number of batches.
    """

    number: int
    tasks: list[Task]
    batches: int


@dataclass(frozen=True)
class JudgedBatch:
    """A batch that is inverted and judged.

    Args:
        images: uint8, shape (batch, height, width, 3).
        similarity: Cosine of each image to its target in the attacked network.
        verdicts: The judge's on each image.
        steps: The number of steps of each image.
        seconds: Of the inversion, for one image.
        stopped: Whether a callback stopped it early.
    """

    images: NDArray[np.uint8]
    similarity: list[float]
    verdicts: list[Verdict]
    steps: list[int]
    seconds: float
    stopped: bool


@dataclass(frozen=True)
class BatchWork:
    """What a worker holds for the batches of a run.

    Args:
        attacker: Runs batches.
        plan: Every decision about the attack.
        judge: Judges the images.
        floor: The mean face, uint8 112x112.
    """

    attacker: BatchAttacker
    plan: AttackPlan
    judge: Judge
    floor: NDArray[np.uint8]

    def run(self, job: BatchJob, on_step: OnStep | None) -> JudgedBatch | None:
        """Return a batch, inverted and judged; None where memory is short."""
        start = time.monotonic()
        found = self._inverted(job, on_step)
        if found is None:
            gc.collect()
            if self.attacker.device.type == "cuda":
                torch.cuda.empty_cache()
            return None
        seconds = (time.monotonic() - start) / len(job.tasks)
        images = to_uint8(found.images)
        references = [task.subject.reference for task in job.tasks]
        verdicts = judge_images(self.judge, list(to_crop_size(images)), self.floor, references, thresholds())
        return JudgedBatch(
            images, found.similarity.tolist(), verdicts, found.steps_of_each, seconds, found.stopped
        )

    def _inverted(self, job: BatchJob, on_step: OnStep | None) -> Inversion | None:
        try:
            return self.attacker.run_batch(
                job.tasks, self.plan, batch=job.number, batches=job.batches, on_step=on_step
            )
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None


@dataclass(frozen=True)
class Batch:
    """A finished batch: its number, its first image's index, its tasks, and what came of them."""

    number: int
    first: int
    tasks: list[Task]
    judged: JudgedBatch


class Batches:
    """Inverts and judges every sample of every subject, batch by batch; smaller ones where memory is short.

    Args:
        work: What computes a batch.
        subjects: Whom to attack.
        progress: Receives every step; of a run on several workers, steps of the whole.
        workers: Where batches are computed.
    """

    def __init__(
        self, work: BatchWork, subjects: Sequence[Subject], progress: OnStep | None, workers: Workers
    ) -> None:
        self._work, self._subjects, self._progress, self._workers = work, subjects, progress, workers
        #: Images of a batch, as they are now.
        self.size = work.plan.batch_size
        self.notes: list[str] = []
        self._number, self._first = 0, 0

    def _tasks(self, first: int, count: int) -> list[Task]:
        samples = self._work.plan.samples
        return [
            Task(self._subjects[index // samples], index % samples) for index in range(first, first + count)
        ]

    def skip(self, finished: FinishedBatch) -> list[Task]:
        """Go on behind a batch that an earlier run has finished; return its tasks."""
        if finished.size != self.size:
            self._lower(finished.size)
        self._number, self._first = finished.number + 1, finished.first + len(finished.samples)
        return self._tasks(finished.first, len(finished.samples))

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches in their order.

        Raises:
            StopInversion: If `progress` raises it while other processes compute.
        """
        total = len(self._subjects) * self._work.plan.samples
        while self._first < total:
            on_step = self._on_step(total)
            # Where memory is short, the batches behind are made anew, smaller.
            for judged in in_order(self._workers.map(self._work, self._jobs(total), on_step)):
                count = min(self.size, total - self._first)
                if judged is None:
                    self._halve(count)
                    break
                yield Batch(self._number, self._first, self._tasks(self._first, count), judged)
                if judged.stopped:
                    return
                self._number, self._first = self._number + 1, self._first + count

    def _jobs(self, total: int) -> Iterator[BatchJob]:
        batches = self._number - (self._first - total) // self.size
        for number, first in enumerate(range(self._first, total, self.size), self._number):
            tasks = self._tasks(first, min(self.size, total - first))
            yield BatchJob(number, tasks if self._workers.in_process else list(map(_alone, tasks)), batches)

    def _on_step(self, total: int) -> OnJobStep | None:
        """Return what receives steps with the number of their job; see `progress`.

        What the first batch needs is prepared before it is copied to other processes.
        """
        progress = self._progress
        if self._workers.in_process:
            return None if progress is None else lambda _, step: progress(step)
        plan, left = self._work.plan, (total - self._first + self.size - 1) // self.size
        steps = None
        if progress is not None:
            steps = StepsOfAll(progress, plan.steps_per_batch, done=self._number, left=left)
        self._work.attacker.prepare(plan, None if steps is None else steps.preparation)
        return steps

    def _halve(self, size: int) -> None:
        recogniser = self._work.attacker.recogniser
        if size == 1:
            raise InputError(
                f"memory: expected room on {recogniser.device} for one image of {recogniser.name}, got none; "
                "free some, or choose another --device"
            )
        self._lower(size // 2)
        _log.warning(self.notes[0])

    def _lower(self, size: int) -> None:
        self.size = size
        self.notes = [f"Memory was short: batches of {size} images in place of {self._work.plan.batch_size}."]


def _alone(task: Task) -> Task:
    """Return a task to be pickled: a row of a table of templates would be pickled with the whole table."""
    return replace(task, subject=replace(task.subject, template=task.subject.template.clone()))
