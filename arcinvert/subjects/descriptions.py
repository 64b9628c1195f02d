"""What a run's result says of the people it attacked: its inputs, and sentences on what is missing."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arcinvert.evaluation.judges import Judge
from arcinvert.subjects.photographs import Embedder, LeftOut, photograph_subjects
from arcinvert.subjects.subject import Subject
from recognition.options import Detector


def describe_photographs(
    recogniser: Embedder,
    photograph: Any,
    judge: Judge,
    *,
    face: int,
    detector: Detector,
    photos: str | os.PathLike[str] | None,
) -> tuple[list[Subject], dict[str, Any], list[str]]:
    """Return the subjects of photographs, the inputs that a result lists, and sentences on what is missing.

    Photographs that cannot be read or have no face are left out, and listed.

    Args:
        recogniser: What makes templates of the crops.
        photograph: One or several, as `photograph_subjects` takes them.
        judge: Embeds the crops.
        face: Which face of each photograph, the largest is 1.
        detector: The detector of faces.
        photos: Other photographs of the people.

    Raises:
        InputError: If no photograph can be used, or `photos` cannot.
    """
    several = list(photograph) if isinstance(photograph, list | tuple) else [photograph]
    left_out: list[LeftOut] = []
    subjects = photograph_subjects(
        recogniser, several, judge, face=face, detector=detector, photos=photos, left_out=left_out
    )
    inputs = {
        "photographs": [subject.name for subject in subjects],
        "left_out": [{"photograph": one.name, "reason": one.reason} for one in left_out],
        "face": face,
        "detector": detector,
        "photos": last_part(photos),
    }
    notes = without_type_2(subjects, photos)
    if left_out:
        notes.append(f"Photographs left out as unreadable or without a face: {len(left_out)}.")
    return subjects, inputs, notes


def without_type_2(subjects: Sequence[Subject], photos: str | os.PathLike[str] | None) -> list[str]:
    """Return a sentence about those whose folder of photographs was given and has no face."""
    names = [subject.name for subject in subjects if subject.reference.second is None]
    if photos is None or not names:
        return []
    more = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return [
        f"No face in the photographs of {', '.join(names[:3])}{more} in {last_part(photos)}: without a "
        "Type II."
    ]


def last_part(path: str | os.PathLike[str] | None) -> str | None:
    """Return the last part of a path: where it is on this machine does not belong into results."""
    return None if path is None else Path(path).resolve().name


def name_of(templates: Any) -> str | None:
    """Return what results call templates of a file, or in memory."""
    return last_part(templates) if isinstance(templates, str | os.PathLike) else "in memory"
