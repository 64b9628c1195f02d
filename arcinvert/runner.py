"""A run: batches are attacked, judged and written one by one, and only their records stay in memory."""

import contextlib
import hashlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.attacked import assumption_notes, describe_model, environment, network_digest
from arcinvert.batches import BatchAttacker, Batches, BatchWork
from arcinvert.evaluation.calibration import NOT_IN_RESULTS, shipped_calibration
from arcinvert.evaluation.crops import to_crop_size
from arcinvert.evaluation.judges import Judge
from arcinvert.inversion.progress import OnStep
from arcinvert.inversion.result import StopInversion
from arcinvert.knowledge.public_photographs import Overlap
from arcinvert.output.folder import RESULT_NAME, SCHEMA, SHEET_NAME, output_folder, write_json
from arcinvert.output.journal import FinishedBatch, Journal, has_finished
from arcinvert.output.sheet import run_sheet
from arcinvert.plan import AttackPlan
from arcinvert.records import Records, summary_of
from arcinvert.run import Run, WrittenImages
from arcinvert.subjects.subject import Subject
from arcinvert.workers.base import InProcess, Workers
from recognition.content import content_digest
from recognition.errors import InputError
from recognition.images import to_uint8, write_png

_log = logging.getLogger(__name__)


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
    resume: bool = False,
    overlap: Overlap | None = None,
    attacked: dict[str, Any] | None = None,
    access: Callable[[], dict[str, Any]] | None = None,
    workers: Workers | None = None,
) -> Run:
    """Attack the subjects, judge and describe the images, and write everything, completely or not at all.

    Ctrl-C keeps the batches that are finished. `StopInversion` raised in `progress` also keeps the running
    one as it is, unless other processes compute it. A run that was interrupted or killed goes on where it was
    if it is repeated with `resume`.

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
        resume: Whether to keep the finished batches of an earlier run with the same inputs; if one of them
            has changed, all is done anew, and a note says which.
        overlap: Which photographs are among the attacker's public faces; None where there are none.
        attacked: What the attacked network is, for the result; None describes the attacker's.
        access: Returns, after the last batch, how the attacked network was accessed; None where it was by its
            weights.
        workers: Where batches are computed; None computes them here, one by one.

    Raises:
        InputError: If the folder cannot be written, another run writes it, or not even one image fits into
            memory.
    """
    if resume and out is None:
        raise InputError("resume: expected the folder of an earlier run, got none; give out")
    # Opened before the work, so that a folder that cannot be written is reported at once.
    with contextlib.nullcontext() if out is None else output_folder(out, resume=resume) as folder:
        start = time.monotonic()
        floor = to_crop_size(to_uint8(attacker.knowledge.mean_face)[None])[0]
        journal = Journal(folder, lambda: _identity(attacker, plan, subjects, judge, command))
        anew = _anew(journal.changed)
        work = BatchWork(attacker, plan, judge, floor)
        records, interrupted = Records(folder), False
        batches = Batches(work, subjects, progress, workers or InProcess())
        for finished in journal.finished:
            records.restore(finished, batches.skip(finished))
        try:
            for batch in batches:
                samples = records.add(batch)
                interrupted = batch.judged.stopped
                if not interrupted:
                    journal.add(FinishedBatch(batch.number, batch.first, batches.size, samples))
        except (KeyboardInterrupt, StopInversion):
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
            "attacked": attacked or describe_model(attacker.recogniser),
            "access": {"kind": "weights"} if access is None else access(),
            "attacker_knowledge": {"level": plan.knowledge} | plan.knowledge_used,
            "judge": {
                key: value for key, value in shipped_calibration().items() if key not in NOT_IN_RESULTS
            },
            "environment": environment(attacker.device, attacker.dtype),
            "seconds": round(time.monotonic() - start, 2),
            "interrupted": interrupted,
            "overlap": None if overlap is None else overlap.describe(),
            "notes": [
                *anew,
                *assumption_notes(attacker.recogniser),
                *notes,
                *plan.notes,
                *batches.notes,
            ],
            "summary": summary_of(samples),
            "samples": samples,
        }
        sheet = run_sheet(result, records.shown, floor)
        if folder is not None:
            write_png(folder / SHEET_NAME, sheet)
            write_json(folder / RESULT_NAME, result)
        if not (interrupted and folder and has_finished(folder)):
            journal.remove()
    images: Sequence[NDArray[np.uint8]] = records.images
    if out is not None:
        images = WrittenImages(Path(out), [sample["image"] for sample in samples])
    return Run(
        images, samples, result["summary"], result, sheet, None if out is None else Path(out), interrupted
    )


def _subjects_digest(subjects: Sequence[Subject]) -> str:
    """Return a digest of subjects, one by one, since a file of templates may have millions."""
    digest = hashlib.sha256()
    for subject in subjects:
        digest.update(content_digest(replace(subject, picture=None)).encode())
    return digest.hexdigest()


def _anew(changed: Sequence[str]) -> list[str]:
    """Return, and log, a sentence about the inputs that changed since a run that was to go on."""
    if not changed:
        return []
    note = f"Started anew, as this changed since the run that was stopped: {', '.join(changed)}."
    _log.warning(note)
    return [note]


def _identity(
    attacker: BatchAttacker, plan: AttackPlan, subjects: Sequence[Subject], judge: Judge, command: str
) -> dict[str, Any]:
    """Return what decides the images of a run and how they are judged, by its content, as JSON."""
    calibration = shipped_calibration()
    return {
        "command": command,
        "plan": plan.describe(),
        "attacked network": network_digest(attacker.recogniser),
        "public-face statistics": content_digest(attacker.knowledge),
        "photographs, templates or classes": _subjects_digest(subjects),
        "judge": judge.name,
        "judge's calibration": content_digest(calibration),
        "environment": environment(attacker.device, attacker.dtype),
    }
