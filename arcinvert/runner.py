"""A run: batches are attacked, judged and written one by one, and only their records stay in memory."""

import contextlib
import gc
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray

from arcinvert.attack import Attack
from arcinvert.evaluation.judge import NOT_IN_RESULTS, Judge, calibration, thresholds, to_crop_size
from arcinvert.evaluation.scores import Verdict, judge_images, summarise
from arcinvert.inversion.result import Inversion, Step
from arcinvert.output.folder import (
    RESULT_NAME,
    SCHEMA,
    SHEET_IDENTITIES,
    SHEET_NAME,
    SHEET_SAMPLES,
    output_folder,
    write_json,
)
from arcinvert.output.sheet import Shown, run_sheet
from arcinvert.subjects import Subject
from recognition.errors import InputError
from recognition.images import read_image, to_uint8, write_png
from recognition.runtime import is_out_of_memory

#: Hears of every step: the batch from 1, of how many, and the step. `StopInversion` raised in it ends
#: the attack with what there is, any other exception without a result. Where memory was short, the same
#: batch is told again, smaller, as one of more.
Progress = Callable[[int, int, Step], None]


@dataclass(frozen=True)
class Run:
    """A finished attack.

    Args:
        images: uint8 HWC, one a sample; of a run that wrote a folder each is read from there when it is
            looked at, so that any number of them takes no memory.
        samples: one entry an image, as in result.json.
        summary: the figures over all samples.
        result: all of result.json.
        sheet: the contact sheet, uint8 HWC.
        out: the folder written, or None.
        interrupted: whether it was stopped; what was finished is in it.
    """

    images: Sequence[NDArray[np.uint8]]
    samples: list[dict[str, Any]]
    summary: dict[str, Any]
    result: dict[str, Any]
    sheet: NDArray[np.uint8] = field(repr=False)
    out: Path | None
    interrupted: bool


class WrittenImages(Sequence[NDArray[np.uint8]]):
    """Images in a folder, each read when it is looked at."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder, self._names = folder, names

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> "WrittenImages": ...
    def __getitem__(self, index: int | slice) -> "NDArray[np.uint8] | WrittenImages":
        if isinstance(index, slice):
            return WrittenImages(self._folder, self._names[index])
        return read_image(self._folder / self._names[index])


def run_attack(
    attack: Attack,
    judge: Judge,
    subjects: Sequence[Subject],
    *,
    out: str | os.PathLike[str] | None,
    command: str,
    given: dict[str, Any],
    progress: Progress,
    notes: Sequence[str] = (),
) -> Run:
    """Attack the subjects, judge, describe, and write what was made, whole or not at all.

    Ctrl-C keeps the batches that are finished, `StopInversion` from the progress also the running one as
    it is.

    Args:
        command, given: what the result says was asked for.
        notes: sentences for the result, to which the run adds its own.

    Raises:
        InputError: the folder cannot be written, or not even one image fits into memory.
    """
    # Checked before a folder is opened for the results.
    loss, regression_share = attack.loss_name(subjects[0]), attack.regression_share(subjects[0])
    # Opened before the work, so that a folder that cannot be written is told at once.
    with contextlib.nullcontext() if out is None else output_folder(out) as folder:
        begin = time.monotonic()
        gathered = _Gathered(judge, to_crop_size(to_uint8(attack.mean_face)[None])[0], folder)
        batches, interrupted = _Batches(attack, subjects, progress), False
        try:
            for batch in batches:
                gathered.add(batch)
                interrupted = batch.inversion.stopped
        except KeyboardInterrupt:
            # With nothing finished there is nothing to write.
            if not gathered.samples:
                raise
            interrupted = True
        samples = gathered.samples
        result: dict[str, Any] = {
            "schema": SCHEMA,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
            "inputs": given,
            "recipe": {"name": attack.options.recipe, "changes": attack.options.changes()},
            "options": asdict(attack.options),
            "loss": loss,
            "start": attack.start_name(),
            "parametrisation": attack.parametrisation_name(),
            "views": attack.views(),
            "colour_weight": attack.colour_weight(),
            "regression_share": regression_share,
            "steps": attack.steps(),
            "restarts": attack.restarts(),
            "batch_size": batches.size,
            "attacked": attack.describe_model(),
            "attacker_knowledge": attack.knowledge(subjects[0]),
            "judge": {key: value for key, value in calibration().items() if key not in NOT_IN_RESULTS},
            "environment": attack.environment(),
            "seconds": round(time.monotonic() - begin, 2),
            "interrupted": interrupted,
            "notes": [*notes, *batches.notes],
            "summary": summarise(
                [Verdict(**sample["judge"]) for sample in samples],
                [sample["input"] for sample in samples],
                [sample["attacked_similarity"] for sample in samples],
                thresholds(),
            ),
            "samples": samples,
        }
        sheet = run_sheet(result, gathered.shown, gathered.floor)
        if folder is not None:
            write_png(folder / SHEET_NAME, sheet)
            write_json(folder / RESULT_NAME, result)
    images: Sequence[NDArray[np.uint8]] = gathered.images
    if out is not None:
        images = WrittenImages(Path(out), [sample["image"] for sample in samples])
    return Run(
        images, samples, result["summary"], result, sheet, None if out is None else Path(out), interrupted
    )


@dataclass(frozen=True)
class _Batch:
    """A finished batch: its subjects, each with the number of its sample; seconds of one image."""

    tasks: list[tuple[Subject, int]]
    inversion: Inversion
    seconds: float


class _Batches:
    """Every sample of every subject, inverted batch by batch; smaller ones where memory is short.

    Args:
        size: images of a batch, as it is now.
        notes: what there is to tell of that.
    """

    def __init__(self, attack: Attack, subjects: Sequence[Subject], progress: Progress) -> None:
        self._attack, self._subjects, self._progress = attack, subjects, progress
        self.size = attack.options.batch_size
        self.notes: list[str] = []

    def __iter__(self) -> Iterator[_Batch]:
        samples = self._attack.options.samples
        number, first, total = 0, 0, len(self._subjects) * samples
        while first < total:
            tasks = [
                (self._subjects[index // samples], index % samples)
                for index in range(first, min(first + self.size, total))
            ]
            batches = number - (first - total) // self.size
            begin = time.monotonic()
            inversion = self._invert(tasks, number, partial(self._progress, number + 1, batches))
            if inversion is None:
                self._halve(len(tasks))
                continue
            yield _Batch(tasks, inversion, (time.monotonic() - begin) / len(tasks))
            if inversion.stopped:
                return
            number, first = number + 1, first + len(tasks)

    def _invert(
        self, tasks: list[tuple[Subject, int]], number: int, callback: Callable[[Step], None]
    ) -> Inversion | None:
        """None where memory is short."""
        try:
            return self._attack.invert(tasks, number, callback)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            return None

    def _halve(self, size: int) -> None:
        if size == 1:
            raise InputError(
                f"memory: expected room on {self._attack.device} for one image of "
                f"{self._attack.recogniser.name} at least, got none; free some, or choose another --device"
            )
        self.size = size // 2
        asked = self._attack.options.batch_size
        self.notes = [f"Memory was short: batches of {self.size} images in place of {asked}."]
        gc.collect()
        if self._attack.device.type == "cuda":
            torch.cuda.empty_cache()


class _Gathered:
    """What stays of the finished batches: records, the first images for the sheet; without a folder, all.

    Args:
        floor: the mean face, uint8 112x112.
        folder: to write the images to.
    """

    def __init__(self, judge: Judge, floor: NDArray[np.uint8], folder: Path | None) -> None:
        self._judge, self._folder = judge, folder
        self._stems: dict[str, str] = {}
        # How often a name was wanted, so that many of one name need no search each.
        self._taken: dict[str, int] = {}
        self.floor = floor
        self.samples: list[dict[str, Any]] = []
        self.images: list[NDArray[np.uint8]] = []
        self.shown: list[Shown] = []

    def add(self, batch: _Batch) -> None:
        """Judge a batch and write it, whole or not at all."""
        images = to_uint8(batch.inversion.images)
        references = [subject.reference for subject, _ in batch.tasks]
        verdicts = judge_images(self._judge, list(to_crop_size(images)), self.floor, references, thresholds())
        similarities = batch.inversion.similarity.tolist()
        samples = [
            {
                "image": f"{self._stem(subject)}_sample{number}.png",
                "input": subject.name,
                "input_sha256": subject.sha256,
                "class_id": subject.label,
                "sample": number,
                "attacked_similarity": similarity,
                "judge": asdict(verdict),
                "steps": batch.inversion.steps,
                "seconds": round(batch.seconds, 2),
            }
            for (subject, number), similarity, verdict in zip(
                batch.tasks, similarities, verdicts, strict=True
            )
        ]
        if self._folder is None:
            self.images.extend(images)
        else:
            _write_all(self._folder, samples, images)
        for (subject, number), image, sample in zip(batch.tasks, images, samples, strict=True):
            if len(self._stems) <= SHEET_IDENTITIES and number < SHEET_SAMPLES:
                self.shown.append(Shown(subject, image, sample))
        self.samples += samples

    def _stem(self, subject: Subject) -> str:
        """What the names of a subject's files begin with; no two subjects' alike."""
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
