"""The composition root: options to parts to engine to scores to report.

import arcinvert
run = arcinvert.generate(class_id=123)
run = arcinvert.from_image("photo.jpg")
run.images, run.samples, run.summary
"""

import os
from collections.abc import Sequence
from typing import Any

from arcinvert.attack import Attack
from arcinvert.evaluation.judge import Judge
from arcinvert.inversion.result import Step
from arcinvert.options import AttackOptions
from arcinvert.runner import Progress, Run, run_attack
from arcinvert.subjects import Subject, TemplateSubjects, class_subjects, photograph_subjects
from recognition.errors import InputError
from recognition.loading import BUNDLED, ModelChoice
from recognition.options import DeviceName

__all__ = ["Progress", "Run", "from_embedding", "from_image", "from_subject", "generate"]


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
    return run_attack(
        attack,
        judge,
        subjects,
        out=out,
        command="generate",
        given=given,
        progress=progress,
        notes=_unjudged(subjects, photos),
    )


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
    return run_attack(
        attack,
        judge,
        subjects,
        out=out,
        command="from-image",
        given=given,
        progress=progress,
        notes=_unjudged(subjects, photos),
    )


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
    subjects = TemplateSubjects(attack.recogniser, templates)
    return run_attack(
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
    return run_attack(attack, Judge(), [subject], out=None, command=command, given=given, progress=progress)


def _unjudged(subjects: Sequence[Subject], photos: str | os.PathLike[str] | None) -> list[str]:
    """A sentence about those whose folder of photographs was given, and has no face."""
    names = [subject.name for subject in subjects if subject.reference.second is None]
    if photos is None or not names:
        return []
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return [f"No face in the photographs of {', '.join(names[:3])}{more} in {photos}: without a Type II."]
