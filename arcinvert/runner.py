"""A run: batches are attacked, judged and written one by one, and only their records stay in memory."""

import contextlib
import gc
import logging
import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from arcinvert.attack import Task
from arcinvert.attacked import describe_model, environment
from arcinvert.evaluation.calibration import NOT_IN_RESULTS, shipped_calibration, thresholds
from arcinvert.evaluation.crops import to_crop_size
from arcinvert.evaluation.judges import Judge
from arcinvert.evaluation.scores import Verdict, judge_images, summarise
from arcinvert.inversion.progress import OnStep
from arcinvert.inversion.result import Inversion
from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.output.contact_sheet import SHEET_IDENTITIES, SHEET_SAMPLES
from arcinvert.output.folder import RESULT_NAME, SCHEMA, SHEET_NAME, output_folder, write_json
from arcinvert.output.sheet import Shown, run_sheet
from arcinvert.plan import AttackPlan
from arcinvert.run import Run, WrittenImages
from arcinvert.subjects.subject import Subject
from recognition.errors import InputError, is_out_of_memory
from recognition.images import to_uint8, write_png
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


def run_plan(
    attacker: BatchAttacker,
    plan: AttackPlan,
    subjects: Sequence[Subject],
    judge: Judge,
    *,
    command: str,
    inputs: dict[str, Any],
    options: dict[str, Any],
    out: str | os.PathLike[str] | None = None,
    progress: OnStep | None = None,
    notes: Sequence[str] = (),
) -> Run:
    """Attack the subjects, judge and describe the images, and write everything, completely or not at all.

    Ctrl-C keeps the batches that are finished. `StopInversion` raised in `progress` also keeps the running
    one as it is.

    Args:
        attacker: Runs batches.
        plan: Every decision about the attack.
        subjects: Whom to attack.
        judge: Judges the images.
        command: The command's name in the result.
        inputs: The command's inputs in the result.
        options: The options that were given, for the result.
        out: The folder to write; None writes nothing.
        progress: Receives every step.
        notes: Sentences for the result, to which the run adds its own.

    Raises:
        InputError: If the folder cannot be written, or not even one image fits into memory.
    """
    # Opened before the work, so that a folder that cannot be written is reported at once.
    with contextlib.nullcontext() if out is None else output_folder(out) as folder:
        start = time.monotonic()
        floor = to_crop_size(to_uint8(attacker.knowledge.mean_face)[None])[0]
        records, batches, interrupted = (
            _Records(judge, floor, folder),
            _Batches(attacker, plan, subjects, progress),
            False,
        )
        try:
            for batch in batches:
                records.add(batch)
                interrupted = batch.inversion.stopped
        except KeyboardInterrupt:
            # With nothing finished there is nothing to write.
            if not records.samples:
                raise
            interrupted = True
        samples = records.samples
        result: dict[str, Any] = {
            "schema": SCHEMA,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
            "inputs": inputs,
            "options": options,
            "plan": plan.describe() | {"batch_size": batches.size},
            "attacked": describe_model(attacker.recogniser),
            "attacker_knowledge": {"level": plan.knowledge} | plan.knowledge_used,
            "judge": {
                key: value for key, value in shipped_calibration().items() if key not in NOT_IN_RESULTS
            },
            "environment": environment(attacker.device, attacker.dtype),
            "seconds": round(time.monotonic() - start, 2),
            "interrupted": interrupted,
            "notes": [*notes, *plan.notes, *batches.notes],
            "summary": summarise(
                [Verdict(**sample["judge"]) for sample in samples],
                [sample["input"] for sample in samples],
                [sample["attacked_similarity"] for sample in samples],
                thresholds(),
            ),
            "samples": samples,
        }
        sheet = run_sheet(result, records.shown, floor)
        if folder is not None:
            write_png(folder / SHEET_NAME, sheet)
            write_json(folder / RESULT_NAME, result)
    images: Sequence[NDArray[np.uint8]] = records.images
    if out is not None:
        images = WrittenImages(Path(out), [sample["image"] for sample in samples])
    return Run(
        images, samples, result["summary"], result, sheet, None if out is None else Path(out), interrupted
    )


@dataclass(frozen=True)
class _Batch:
    """A finished batch: its tasks, its inversion, and the seconds of one image."""

    tasks: list[Task]
    inversion: Inversion
    seconds: float


class _Batches:
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

    def __iter__(self) -> Iterator[_Batch]:
        samples = self._plan.samples
        number, first, total = 0, 0, len(self._subjects) * samples
        while first < total:
            tasks = [
                Task(self._subjects[index // samples], index % samples)
                for index in range(first, min(first + self.size, total))
            ]
            batches = number - (first - total) // self.size
            start = time.monotonic()
            inversion = self._invert(tasks, number, batches)
            if inversion is None:
                self._halve(len(tasks))
                continue
            yield _Batch(tasks, inversion, (time.monotonic() - start) / len(tasks))
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
        self.size = size // 2
        self.notes = [f"Memory was short: batches of {self.size} images in place of {self._plan.batch_size}."]
        _log.warning(self.notes[0])
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()


class _Records:
    """What stays of finished batches: records, the first images for the sheet; without a folder, all images.

    Args:
        judge: Judges the images.
        floor: The mean face, uint8 112x112.
        folder: Where to write the images; None keeps them.
    """

    def __init__(self, judge: Judge, floor: NDArray[np.uint8], folder: Path | None) -> None:
        self._judge, self._folder, self._floor = judge, folder, floor
        self._stems: dict[str, str] = {}
        # How often a name was wanted, so that many subjects of one name need no search each.
        self._taken: dict[str, int] = {}
        self.samples: list[dict[str, Any]] = []
        self.images: list[NDArray[np.uint8]] = []
        self.shown: list[Shown] = []

    def add(self, batch: _Batch) -> None:
        """Judge a batch and write its images, completely or not at all."""
        images = to_uint8(batch.inversion.images)
        references = [task.subject.reference for task in batch.tasks]
        verdicts = judge_images(
            self._judge, list(to_crop_size(images)), self._floor, references, thresholds()
        )
        samples = [
            {
                "image": f"{self._stem(task.subject)}_sample{task.sample}.png",
                "input": task.subject.name,
                "input_sha256": task.subject.sha256,
                "class_id": task.subject.label,
                "sample": task.sample,
                "attacked_similarity": similarity,
                "judge": asdict(verdict),
                "steps": batch.inversion.steps,
                "seconds": round(batch.seconds, 2),
            }
            for task, similarity, verdict in zip(
                batch.tasks, batch.inversion.similarity.tolist(), verdicts, strict=True
            )
        ]
        if self._folder is None:
            self.images.extend(images)
        else:
            _write_all(self._folder, samples, images)
        for task, image, sample in zip(batch.tasks, images, samples, strict=True):
            if len(self._stems) <= SHEET_IDENTITIES and task.sample < SHEET_SAMPLES:
                subject = task.subject
                self.shown.append(Shown(subject.name, subject.label, subject.picture, image, sample))
        self.samples += samples

    def _stem(self, subject: Subject) -> str:
        """Return the beginning of the names of a subject's files, different for each subject."""
        if subject.name not in self._stems:
            stem = re.sub(r"[^\w.-]+", "_", subject.stem) or "image"
            unique = stem
            while unique in self._taken:
                self._taken[stem] += 1
                unique = f"{stem}-{self._taken[stem]}"
            self._taken[unique] = 1
            self._stems[subject.name] = unique
        return self._stems[subject.name]


def _write_all(folder: Path, samples: Sequence[dict[str, Any]], images: NDArray[np.uint8]) -> None:
    try:
        for image, sample in zip(images, samples, strict=True):
            write_png(folder / sample["image"], image)
    except BaseException:
        for sample in samples:
            (folder / sample["image"]).unlink(missing_ok=True)
        raise
