"""What stays of the finished batches of a run."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.attack import Task
from arcinvert.batches import Batch
from arcinvert.evaluation.calibration import thresholds
from arcinvert.evaluation.scores import Verdict, summarise
from arcinvert.output.contact_sheet import SHEET_IDENTITIES, SHEET_SAMPLES
from arcinvert.output.journal import FinishedBatch
from arcinvert.output.sheet import Shown
from arcinvert.subjects.subject import Subject
from recognition.errors import InputError
from recognition.files import safe_name
from recognition.images import read_image, write_png


class Records:
    """What stays of finished batches: records, the first images for the sheet; without a folder, all images.

    Args:
        folder: Where to write the images; None keeps them.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._stems: dict[tuple[str, str], str] = {}
        # How often a name was wanted, so that many subjects of one name need no search each.
        self._taken: dict[str, int] = {}
        self.samples: list[dict[str, Any]] = []
        self.images: list[NDArray[np.uint8]] = []
        self.shown: list[Shown] = []

    def add(self, batch: Batch) -> list[dict[str, Any]]:
        """Write a batch's images, completely or not at all; return its records."""
        judged = batch.judged
        images = judged.images
        samples = [
            {
                "image": self._file_name(task),
                "input": task.subject.name,
                "input_sha256": task.subject.sha256,
                "class_id": task.subject.label,
                "class_photographs": task.subject.photographs,
                "subcentre": None if task.subject.subcentre is None else task.subject.subcentre.describe(),
                "sample": task.sample,
                "attacked_similarity": similarity,
                "judge": asdict(verdict),
                "steps": steps,
                "seconds": round(judged.seconds, 2),
            }
            for task, similarity, verdict, steps in zip(
                batch.tasks, judged.similarity, judged.verdicts, judged.steps, strict=True
            )
        ]
        if self._folder is None:
            self.images.extend(images)
        else:
            _write_all(self._folder, samples, images)
        for task, image, sample in zip(batch.tasks, images, samples, strict=True):
            if self._is_shown(task):
                self._show(task, image, sample)
        self.samples += samples
        return samples

    def restore(self, batch: FinishedBatch, tasks: Sequence[Task]) -> None:
        """Take over the records of a batch that an earlier run has judged and written.

        Args:
            batch: The batch.
            tasks: Its tasks.
        """
        if self._folder is None:
            raise ValueError("expected a folder to restore from, got none")
        for task, sample in zip(tasks, batch.samples, strict=True):
            if self._file_name(task) != sample["image"]:
                raise InputError(f"{self._folder}: expected images of the same names; leave --resume out")
            if self._is_shown(task):
                self._show(task, read_image(self._folder / sample["image"]), sample)
        self.samples += batch.samples

    def _is_shown(self, task: Task) -> bool:
        return len(self._stems) <= SHEET_IDENTITIES and task.sample < SHEET_SAMPLES

    def _show(self, task: Task, image: NDArray[np.uint8], sample: dict[str, Any]) -> None:
        subject = task.subject
        near = () if subject.subcentre is None else subject.subcentre.photographs
        self.shown.append(Shown(subject.name, subject.label, subject.picture, image, sample, near))

    def _file_name(self, task: Task) -> str:
        """Return the name of an image's file, which no length of a subject's name makes too long."""
        return safe_name(self._stem(task.subject), f"_sample{task.sample}.png")

    def _stem(self, subject: Subject) -> str:
        """Return the beginning of the names of a subject's files, different for each subject."""
        # The centres of a class have its name.
        whose = (subject.name, subject.stem)
        if whose not in self._stems:
            stem = re.sub(r"[^\w.-]+", "_", subject.stem) or "image"
            unique = stem
            while unique in self._taken:
                self._taken[stem] += 1
                unique = f"{stem}-{self._taken[stem]}"
            self._taken[unique] = 1
            self._stems[whose] = unique
        return self._stems[whose]


def summary_of(samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of a run, as `summarise` does, from its entries in result.json.

    Where sub-centres of classes were attacked, `subcentres` has the figures of the dominant and of the other
    centres apart; it is empty otherwise.
    """
    apart: dict[str, list[dict[str, Any]]] = {}
    for sample in samples:
        subcentre = sample["subcentre"]
        if subcentre is not None and subcentre["dominant"] is not None:
            apart.setdefault("dominant" if subcentre["dominant"] else "other", []).append(sample)
    of_kinds = {kind: _summary(apart[kind]) for kind in ("dominant", "other") if kind in apart}
    return _summary(samples) | {"subcentres": of_kinds}


def _summary(samples: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return summarise(
        [Verdict(**sample["judge"]) for sample in samples],
        [sample["input"] for sample in samples],
        [sample["attacked_similarity"] for sample in samples],
        thresholds(),
    )


def _write_all(folder: Path, samples: Sequence[dict[str, Any]], images: NDArray[np.uint8]) -> None:
    try:
        for image, sample in zip(images, samples, strict=True):
            write_png(folder / sample["image"], image)
    except BaseException:
        for sample in samples:
            (folder / sample["image"]).unlink(missing_ok=True)
        raise
