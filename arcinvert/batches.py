"""The batches of a run: which images are inverted together, and smaller batches where memory is short."""

import gc
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from arcinvert.attack import Task
from arcinvert.inversion.progress import OnStep
from arcinvert.inversion.result import Inversion
from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.output.journal import FinishedBatch
from arcinvert.plan import AttackPlan
from arcinvert.subjects.subject import Subject
from recognition.errors import InputError, is_out_of_memory
from recognition.recogniser import Recogniser

_log = logging.getLogger(__name__)


class BatchAttacker(Protocol):
    """What a run needs of an attacker."""

    recogniser: Recogniser
    knowledge: Knowledge
    device: torch.device
    dtype: torch.dtype

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
class Batch:
    """A finished batch: its number, its first image's index, tasks, inversion, and seconds of one image."""

    number: int
    first: int
    tasks: list[Task]
    inversion: Inversion
    seconds: float


class Batches:
    """Inverts every sample of every subject, batch by batch; smaller batches where memory is short.

    Args:
        attacker: Runs batches.
        plan: Every decision about the attack.
        subjects: Whom to attack.
        progress: Receives every step.
    """

    def __init__(
        self,
        attacker: BatchAttacker,
        plan: AttackPlan,
        subjects: Sequence[Subject],
        progress: OnStep | None,
    ) -> None:
        self._attacker, self._plan, self._subjects, self._progress = attacker, plan, subjects, progress
        #: Images of a batch, as they are now.
        self.size = plan.batch_size
        self.notes: list[str] = []
        self._number, self._first = 0, 0

    def _tasks(self, first: int, count: int) -> list[Task]:
        samples = self._plan.samples
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
        number, first, total = self._number, self._first, len(self._subjects) * self._plan.samples
        while first < total:
            tasks = self._tasks(first, min(self.size, total - first))
            batches = number - (first - total) // self.size
            start = time.monotonic()
            inversion = self._invert(tasks, number, batches)
            if inversion is None:
                self._halve(len(tasks))
                continue
            yield Batch(number, first, tasks, inversion, (time.monotonic() - start) / len(tasks))
            if inversion.stopped:
                return
            number, first = number + 1, first + len(tasks)

    def _invert(self, tasks: list[Task], number: int, batches: int) -> Inversion | None:
        """Return None where memory is short."""
        try:
            return self._attacker.run_batch(
                tasks, self._plan, batch=number, batches=batches, on_step=self._progress
            )
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None

    def _halve(self, size: int) -> None:
        device, name = self._attacker.recogniser.device, self._attacker.recogniser.name
        if size == 1:
            raise InputError(
                f"memory: expected room on {device} for one image of {name}, got none; free some, or "
                "choose another --device"
            )
        self._lower(size // 2)
        _log.warning(self.notes[0])
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()

    def _lower(self, size: int) -> None:
        self.size = size
        self.notes = [f"Memory was short: batches of {size} images in place of {self._plan.batch_size}."]
