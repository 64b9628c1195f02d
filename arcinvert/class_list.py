"""The classes of a network as a list: number, name, training photographs, and how alone the centre is."""

from dataclasses import dataclass

import numpy as np

from arcinvert.output.verdicts import seen_in
from arcinvert.subjects import class_centres, training_photographs
from arcinvert.subjects.names import plain_name, search_names
from recognition.errors import InputError
from recognition.metrics.angles import nearest_angles
from recognition.recogniser import Recogniser


@dataclass(frozen=True)
class ListedClass:
    """A class of a network.

    Args:
        id: The class number, from 0.
        name: The name; None if the network's classes have none.
        photographs: The number of photographs that the network was trained on; None if it is not known.
        nearest_degrees: The smallest angle of its centre to another one, in degrees; None for an only class.
    """

    id: int
    name: str | None
    photographs: int | None
    nearest_degrees: float | None

    @property
    def seen_in(self) -> str:
        """How often the network has seen the person, in words; empty if it is not known."""
        return seen_in(self.photographs)


def list_classes(
    recogniser: Recogniser, *, search: str | None = None, limit: int | None = None
) -> tuple[list[ListedClass], int]:
    """Return classes in their order, and how many there are.

    Args:
        recogniser: The network.
        search: Words that each name contains, without case, accents, underscores and hyphens; None lists
            all.
        limit: The largest number of classes to return; None returns all. Angles to all other centres are
            computed for these only.

    Raises:
        InputError: If the network came without centres, or names are searched that it has not.
    """
    centres, names = class_centres(recogniser), recogniser.class_names
    if limit is not None and limit < 1:
        raise InputError(f"limit: expected 1 or more classes, got {limit}")
    if search is None:
        found = list(range(len(centres)))
    elif names is None:
        raise InputError(f"search: expected classes with names, got {recogniser.name}, whose have none")
    elif not plain_name(search):
        raise InputError(f"search: expected part of a name, got {search!r}")
    else:
        found = list(search_names(search, names))
    return _listed(recogniser, found[:limit]), len(found)


def best_known_classes(recogniser: Recogniser, count: int) -> list[ListedClass]:
    """Return the classes with the most training photographs, most first; none if these are not known."""
    photographs = training_photographs(recogniser)
    if photographs is None:
        return []
    order = sorted(range(len(photographs)), key=lambda label: -photographs[label])
    return _listed(recogniser, order[:count])


def _listed(recogniser: Recogniser, labels: list[int]) -> list[ListedClass]:
    names, photographs = recogniser.class_names, training_photographs(recogniser)
    centres = class_centres(recogniser).cpu().numpy()
    angles = nearest_angles(centres, np.array(labels, dtype=np.int64)) if len(centres) > 1 else None
    return [
        ListedClass(
            label,
            names[label] if names else None,
            photographs[label] if photographs else None,
            None if angles is None else round(float(angles[place]), 2),
        )
        for place, label in enumerate(labels)
    ]
