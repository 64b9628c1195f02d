"""Classes of a network as subjects: closed-set."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from arcinvert.arguments import whole_number
from arcinvert.evaluation.judges import Judge
from arcinvert.evaluation.scores import Reference
from arcinvert.output.verdicts import display_name
from arcinvert.subjects.names import find_name
from arcinvert.subjects.references import (
    OtherPhotograph,
    other_photographs,
    reference_of,
    shipped_references,
)
from arcinvert.subjects.subject import Subject, shown
from recognition.errors import InputError
from recognition.recogniser import Recogniser

#: Classes that a run's notes describe one by one.
_NOTED = 4


def class_centres(recogniser: Recogniser) -> Tensor:
    """Return the class centres, unit norm, shape (classes, dim).

    Raises:
        InputError: If the network came without.
    """
    if recogniser.centres is None:
        raise InputError(
            f"{recogniser.name}: expected a network with class centres, got a backbone alone; "
            "use from-image or from-embedding"
        )
    return recogniser.centres


def class_label(recogniser: Recogniser, wanted: SupportsIndex | str) -> int:
    """Return the class index of a number or a name, matched without case, accents and underscores.

    Raises:
        InputError: If the network has no such class or several of the name, or no classes at all.
    """
    classes = len(class_centres(recogniser))
    if isinstance(wanted, str):
        return find_name(wanted, recogniser.class_names or ())
    index = whole_number("class id", wanted)
    if not 0 <= index < classes:
        raise InputError(f"class id: expected 0 to {classes - 1}, got {index}")
    return index


def wanted_classes(class_id: Any, class_name: Any) -> list[int | str]:
    """Return class ids and names, each given alone or several, as one list.

    Raises:
        InputError: If none is given, or one is of another type.
    """
    return [*_class_ids(class_id), *_class_names(class_name)]


def _class_ids(given: Any) -> list[int]:
    if given is None:
        return []
    # An array or a tensor of one number without dimensions cannot be iterated.
    alone = (
        isinstance(given, str | bytes) or not isinstance(given, Iterable) or getattr(given, "ndim", 1) == 0
    )
    return [whole_number("class id", one) for one in ([given] if alone else given)]


def _class_names(given: Any) -> list[str]:
    if given is None:
        return []
    names = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else [given]
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"class name: expected a text, got {name!r}")
    return names


def class_subjects(
    recogniser: Recogniser,
    wanted: Sequence[int | str],
    judge: Judge,
    *,
    photos: str | os.PathLike[str] | None = None,
) -> list[Subject]:
    """Return subjects of a closed-set attack.

    Args:
        recogniser: The attacked network.
        wanted: Class ids and names. A class that is named twice is one subject.
        judge: Embeds the photographs.
        photos: A folder of one folder for each class name, in place of the shipped references.

    Raises:
        InputError: If a class is unknown, or photographs cannot be used.
    """
    if not wanted:
        raise InputError("generate: expected a class id or a class name, got none")
    subjects: list[Subject] = []
    shipped = shipped_references(recogniser.class_names or ())
    counts = training_photographs(recogniser)
    for label in dict.fromkeys(class_label(recogniser, one) for one in wanted):
        centres = class_centres(recogniser)
        name = recogniser.class_names[label] if recogniser.class_names else f"class {label}"
        picture: NDArray[np.uint8] | None = None
        others: list[OtherPhotograph] = []
        if photos is not None:
            others = other_photographs(Path(photos) / name, 2)
            reference = reference_of(judge, None, [one.crop for one in others])
            picture = others[0].crop if others else None
        else:
            reference = shipped[name].reference if name in shipped else Reference()
        subject = Subject(
            name,
            label,
            centres[label].cpu(),
            reference,
            picture,
            stem=f"class{label}",
            photographs=counts[label] if counts else None,
            photograph_keys=tuple(one.key for one in others),
        )
        subjects.append(shown(subject, len(subjects)))
    return subjects


def training_photographs(recogniser: Recogniser) -> tuple[int, ...] | None:
    """Return how many photographs of each class trained the network, in the order of the classes.

    The result is None if neither its file nor the shipped references say so.
    """
    if recogniser.class_photographs:
        return recogniser.class_photographs
    names = recogniser.class_names or ()
    shipped = shipped_references(names)
    return tuple(shipped[name].trained_on for name in names) if shipped else None


def training_notes(subjects: Sequence[Subject], *, photos: bool) -> list[str]:
    """Return how many photographs trained each attacked class, and what the judge compares with.

    The first `_NOTED` classes have a sentence each; of more, one sentence counts those judged by Type I.

    Args:
        subjects: Classes.
        photos: Whether the judge compares with photographs that the user gave.
    """
    known = [subject for subject in subjects if subject.photographs is not None]
    notes = [f"{_trained(subject)}; {_compared(subject, photos=photos)}" for subject in known[:_NOTED]]
    if len(known) > _NOTED:
        type_1 = sum(subject.reference.source is not None for subject in known)
        notes.append(
            f"Of {len(known):,} classes, {type_1:,} are judged by a photograph that trained the network "
            "(Type I); result.json says for each image how many did (class_photographs)."
        )
    return notes


def _trained(subject: Subject) -> str:
    count = subject.photographs or 0
    name = display_name(subject.name, subject.label)
    return f"Class {subject.label}: {name}, trained on {count:,} photograph{'' if count == 1 else 's'}"


def _compared(subject: Subject, *, photos: bool) -> str:
    if photos:
        return "the judge compares with --photos, which is Type II only if they did not train the network."
    if subject.reference.source is None:
        return "the judge compares with another one, kept out of training (Type II)."
    those = "that same photograph" if subject.photographs == 1 else "one of them"
    return f"the judge compares with {those} (Type I)."
