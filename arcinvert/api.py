"""The composition root: options to parts to engine to scores to report.

import arcinvert
run = arcinvert.generate(class_id=123)
run = arcinvert.from_image("photo.jpg")
run.images, run.samples, run.summary
"""

import contextlib
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.attack import Attack
from arcinvert.inputs import Subject, class_subjects, embedding_subjects, photograph_subjects
from arcinvert.judge import NOT_IN_RESULTS, Judge, calibration, thresholds, to_crop_size
from arcinvert.options import AttackOptions
from arcinvert.report import RESULT_NAME, SCHEMA, SHEET_NAME, output_folder, write_json
from arcinvert.result import Step
from arcinvert.scores import Verdict, judge_images, summarise
from arcinvert.summary import run_sheet
from recognition.errors import InputError
from recognition.images import to_uint8, write_png
from recognition.loading import BUNDLED, ModelChoice
from recognition.options import DeviceName


@dataclass(frozen=True)
class Run:
    """A finished attack.

    Args:
        images: uint8 HWC, one a sample.
        samples: one entry an image, as in result.json.
        summary: the figures over all samples.
        result: all of result.json.
        out: the folder written, or None.
        interrupted: whether it was stopped; what was finished is in it.
    """

    images: list[NDArray[np.uint8]]
    samples: list[dict[str, Any]]
    summary: dict[str, Any]
    result: dict[str, Any]
    sheet: NDArray[np.uint8] = field(repr=False)
    out: Path | None
    interrupted: bool


#: Hears of every step: the batch from 1, of how many, and the step. `StopInversion` raised in it ends
#: the attack with what there is, any other exception without a result.
Progress = Callable[[int, int, Step], None]


def _silent(batch: int, batches: int, step: Step) -> None:
    """Progress that nobody watches."""


def generate(
    class_id: int | Sequence[int] = (),
    *,
    class_name: str | Sequence[str] = (),
    model: str | os.PathLike[str] | ModelChoice = BUNDLED,
    photos: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    device: DeviceName = "auto",
    progress: Progress = _silent,
    **options: Any,
) -> Run:
    """Synthesise faces of classes that a network learned (closed-set).

    Args:
        class_id, class_name: one or several.
        model: the bundled network's name, a file, or what `recognition.loading.load` takes.
        photos: a folder per identity for the judge, where no references are shipped.
        out: a folder to write to; None writes nothing.
        options: of `AttackOptions`.

    Raises:
        InputError: something given is wrong; it says what.
    """
    ids = [class_id] if isinstance(class_id, int) else list(class_id)
    names = [class_name] if isinstance(class_name, str) else list(class_name)
    if not ids and not names:
        raise InputError("generate: expected a class id or a class name, got none")
    attack, judge = Attack(model, device, AttackOptions(**options)), Judge()
    subjects = class_subjects(attack.recogniser, [*ids, *names], judge, photos=photos)
    given = {"class_id": ids, "class_name": names, "photos": None if photos is None else str(photos)}
    return _run(attack, judge, subjects, out=out, command="generate", given=given, progress=progress)


def from_image(
    photograph: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    face: int = 1,
    model: str | os.PathLike[str] | ModelChoice = BUNDLED,
    photos: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    device: DeviceName = "auto",
    progress: Progress = _silent,
    **options: Any,
) -> Run:
    """Reconstruct faces from the templates of photographs (open-set).

    Each photograph is aligned and embedded; the attack sees the template alone.

    Args:
        photograph: one path or several.
        face: which face of each, the largest first.
        photos: other photographs of the same people, for Type II and the ceiling.
        model, out, device, options: as for `generate`.

    Raises:
        InputError: something given is wrong; it says what.
    """
    paths = [photograph] if isinstance(photograph, str | os.PathLike) else list(photograph)
    if not paths:
        raise InputError("from-image: expected at least one photograph, got none")
    attack, judge = Attack(model, device, AttackOptions(**options)), Judge()
    subjects = photograph_subjects(attack.recogniser, paths, judge, face=face, photos=photos)
    given = {
        "photographs": [str(path) for path in paths],
        "face": face,
        "photos": None if photos is None else str(photos),
    }
    return _run(attack, judge, subjects, out=out, command="from-image", given=given, progress=progress)


def from_embedding(
    templates: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | ModelChoice = BUNDLED,
    out: str | os.PathLike[str] | None = None,
    device: DeviceName = "auto",
    progress: Progress = _silent,
    **options: Any,
) -> Run:
    """Reconstruct faces from templates alone: a .npy file, (dim,) or (n, dim).

    Without photographs the judge can only say whether a face is there.

    Raises:
        InputError: something given is wrong; it says what.
    """
    attack, judge = Attack(model, device, AttackOptions(**options)), Judge()
    subjects = embedding_subjects(attack.recogniser, templates)
    return _run(
        attack,
        judge,
        subjects,
        out=out,
        command="from-embedding",
        given={"templates": str(templates)},
        progress=progress,
    )


def from_subject(
    subject: Subject,
    *,
    command: str,
    model: str | os.PathLike[str] = BUNDLED,
    device: DeviceName = "auto",
    progress: Progress = _silent,
    **options: Any,
) -> Run:
    """Reconstruct a subject that its caller prepared, such as a photograph that is in memory alone.

    Args:
        command: what the result calls the run.
        model, device, options: as for `generate`; the model is the one of the subject's template.

    Raises:
        InputError: something given is wrong; it says what.
    """
    attack, given = Attack(model, device, AttackOptions(**options)), {"name": subject.name}
    return _run(attack, Judge(), [subject], out=None, command=command, given=given, progress=progress)


def _run(
    attack: Attack,
    judge: Judge,
    subjects: list[Subject],
    *,
    out: str | os.PathLike[str] | None,
    command: str,
    given: dict[str, Any],
    progress: Progress,
) -> Run:
    """Attack the subjects, judge, describe, and write what was made, whole or not at all."""
    # Checked before a folder is opened for the results.
    loss = attack.loss_name(subjects[0])
    # Opened before the work, so that a folder that cannot be written is told at once.
    with contextlib.nullcontext() if out is None else output_folder(out) as folder:
        begin = time.monotonic()
        done = _invert_all(attack, subjects, progress)
        images = [sample.image for sample in done.samples]
        floor = to_crop_size(to_uint8(attack.mean_face)[None])[0]
        verdicts = judge_images(
            judge,
            list(to_crop_size(np.stack(images))),
            floor,
            [sample.subject.reference for sample in done.samples],
            thresholds(),
        )
        samples = _describe(done.samples, verdicts)
        result: dict[str, Any] = {
            "schema": SCHEMA,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
            "inputs": given,
            "recipe": {"name": attack.options.recipe, "changes": attack.options.changes()},
            "options": asdict(attack.options),
            "loss": loss,
            "parametrisation": attack.parametrisation_name(),
            "views": attack.views(),
            "attacked": attack.describe_model(),
            "attacker_knowledge": attack.knowledge(),
            "judge": {key: value for key, value in calibration().items() if key not in NOT_IN_RESULTS},
            "environment": attack.environment(),
            "seconds": round(time.monotonic() - begin, 2),
            "interrupted": done.interrupted,
            "summary": summarise(
                verdicts,
                [sample.subject.name for sample in done.samples],
                [sample.similarity for sample in done.samples],
                thresholds(),
            ),
            "samples": samples,
        }
        sheet = run_sheet(result, [sample.subject for sample in done.samples], images, floor)
        if folder is not None:
            for image, sample in zip(images, samples, strict=True):
                write_png(folder / sample["image"], image)
            write_png(folder / SHEET_NAME, sheet)
            write_json(folder / RESULT_NAME, result)
    return Run(
        images,
        samples,
        result["summary"],
        result,
        sheet,
        None if out is None else Path(out),
        done.interrupted,
    )


@dataclass(frozen=True)
class _Sample:
    """One finished image: the number-th of its subject, as the attacked network sees it."""

    subject: Subject
    number: int
    image: NDArray[np.uint8]
    similarity: float
    seconds: float


@dataclass(frozen=True)
class _Finished:
    samples: list[_Sample]
    interrupted: bool


def _invert_all(attack: Attack, subjects: Sequence[Subject], progress: Progress) -> _Finished:
    """Every sample of every subject, in batches; Ctrl-C keeps the batches that are finished,
    `StopInversion` from the progress also the running one as it is.
    """
    tasks = [(subject, sample) for subject in subjects for sample in range(attack.options.samples)]
    size = attack.options.batch_size
    batches = [tasks[first : first + size] for first in range(0, len(tasks), size)]
    samples: list[_Sample] = []
    for number, batch in enumerate(batches):
        begin = time.monotonic()
        try:
            inversion = attack.invert(batch, number, partial(progress, number + 1, len(batches)))
        except KeyboardInterrupt:
            # With nothing finished there is nothing to write.
            if not samples:
                raise
            return _Finished(samples, interrupted=True)
        seconds = (time.monotonic() - begin) / len(batch)
        for (subject, sample), image, similarity in zip(
            batch, to_uint8(inversion.images), inversion.similarity.tolist(), strict=True
        ):
            samples.append(_Sample(subject, sample, image, similarity, seconds))
        if inversion.stopped:
            return _Finished(samples, interrupted=True)
    return _Finished(samples, interrupted=False)


def _describe(samples: Sequence[_Sample], verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    stems = _unique_stems([sample.subject for sample in samples])
    return [
        {
            "image": f"{stems[sample.subject.name]}_sample{sample.number}.png",
            "input": sample.subject.name,
            "input_sha256": sample.subject.sha256,
            "class_id": sample.subject.label,
            "sample": sample.number,
            "attacked_similarity": sample.similarity,
            "judge": asdict(verdict),
            "seconds": round(sample.seconds, 2),
        }
        for sample, verdict in zip(samples, verdicts, strict=True)
    ]


def _unique_stems(subjects: Sequence[Subject]) -> dict[str, str]:
    """A file name's beginning for each subject, by its name; no two alike."""
    stems: dict[str, str] = {}
    for subject in subjects:
        if subject.name in stems:
            continue
        if subject.label is not None:
            stem = f"class{subject.label}"
        else:
            stem = re.sub(r"[^\w.-]+", "_", Path(subject.name).name.rsplit(".", 1)[0]) or "image"
            stem = re.sub(r"[^\w.-]+", "_", Path(subject.name).name) if "[" in subject.name else stem
        taken = set(stems.values())
        unique, number = stem, 2
        while unique in taken:
            unique, number = f"{stem}-{number}", number + 1
        stems[subject.name] = unique
    return stems
