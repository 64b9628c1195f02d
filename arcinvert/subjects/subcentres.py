"""The several centres of a class as subjects, each attacked apart."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.arguments import check_path, whole_number
from arcinvert.evaluation.judges import Judge
from arcinvert.output.contact_sheet import SHEET_IDENTITIES
from arcinvert.subjects.references import reference_of
from arcinvert.subjects.subject import SubCentre, Subject
from recognition.errors import InputError
from recognition.images import to_uint8
from recognition.recogniser import Recogniser
from recognition.subcentres import SubCentres

#: The photographs of a cluster that a sheet shows, those nearest to the centre.
SHOWN_PHOTOGRAPHS = 4
_WORDS = ("dominant", "all")
_EXPECTED = "subcentre: expected dominant, all, or a number from 0"


def parse_subcentre(given: Any) -> int | str:
    """Return which centres of a class are wanted: `dominant`, `all`, or a number from 0.

    Raises:
        InputError: If it is none of these.
    """
    if isinstance(given, str):
        if given in _WORDS:
            return given
        if not given.isascii() or not given.isdigit():
            raise InputError(f"{_EXPECTED}, got {given!r}")
        given = int(given)
    number = whole_number("subcentre", given)
    if number < 0:
        raise InputError(f"{_EXPECTED}, got {number}")
    return number


@dataclass(frozen=True)
class SubCentreChoice:
    """Which centres of each attacked class are attacked, and where the photographs near them are.

    Args:
        which: `dominant`, `all`, or a number from 0.
        clusters: The data that the network was trained on; None shows no photographs near the centres.
    """

    which: int | str
    clusters: str | os.PathLike[str] | None = None


def subcentre_choice(subcentre: Any, clusters: str | os.PathLike[str] | None) -> SubCentreChoice | None:
    """Return which centres are attacked; None if each class is attacked by the one that stands for it.

    Raises:
        InputError: If `subcentre` is none of `dominant`, `all` and a number, or `clusters` is given alone.
    """
    check_path("clusters", clusters)
    if subcentre is not None:
        return SubCentreChoice(parse_subcentre(subcentre), clusters)
    if clusters is not None:
        raise InputError(f"clusters: expected a subcentre with it, got {os.fspath(clusters)} alone")
    return None


def subcentre_subjects(
    subjects: Sequence[Subject], recogniser: Recogniser, judge: Judge, choice: SubCentreChoice
) -> list[Subject]:
    """Return a subject for each wanted centre of each class.

    Random numbers follow from the class, not from the centre, so that the pictures of two centres of a class
    differ by the centres alone. Where the photographs near a centre are known, the judge compares with the
    nearest of them (Type I), unless the class has photographs that were given for the judge.

    Args:
        subjects: Classes.
        recogniser: The attacked network.
        judge: Embeds the photographs.
        choice: Which centres.

    Raises:
        InputError: If the network has one centre for each class, or not the wanted one, or the data of the
            training does not have the class.
    """
    # They import torchvision, and with it PyTorch's compiler, which other attacks do not need.
    from recognition.clusters import cluster_photographs
    from recognition.data.sources import open_source

    subcentres = recogniser.subcentres
    if subcentres is None:
        raise InputError(
            f"subcentre: expected a network with several centres for each class, got {recogniser.name}, "
            "which has one; leave it out, or give --subcentres K with a file of --centres"
        )
    source = None if choice.clusters is None else open_source(choice.clusters)
    found: list[Subject] = []
    for subject in subjects:
        label = _label(subject)
        clusters = None if source is None else cluster_photographs(recogniser, subcentres, source, label)
        for number in _numbers(subcentres, label, choice.which, recogniser.name):
            crops: list[NDArray[np.uint8]] = []
            own = subject
            cluster = None if clusters is None else clusters[number]
            if cluster and source is not None:
                # A sheet has no room for the photographs of many centres.
                count = SHOWN_PHOTOGRAPHS if len(found) < SHEET_IDENTITIES else 1
                crops = [to_uint8(source.read(near.key)) for near in cluster[:count]]
                if subject.reference.second is None:
                    own = replace(subject, reference=reference_of(judge, crops[0], []))
            found.append(
                replace(
                    own,
                    template=subcentres.directions[label, number].cpu(),
                    stem=f"class{label}_subcentre{number}",
                    subcentre=SubCentre(
                        number,
                        None if subcentres.dominant is None else number == int(subcentres.dominant[label]),
                        None if cluster is None else tuple(near.angle for near in cluster),
                        tuple(crops),
                    ),
                )
            )
    return found


def _label(subject: Subject) -> int:
    if subject.label is None:
        raise ValueError("expected a class, got a template")
    return subject.label


def _numbers(subcentres: SubCentres, label: int, which: int | str, name: str) -> list[int]:
    """Return the numbers of the wanted centres of a class, the dominant one first where it is known."""
    dominant = None if subcentres.dominant is None else int(subcentres.dominant[label])
    if which == "all":
        return sorted(range(subcentres.count), key=lambda number: (number != dominant, number))
    if which == "dominant":
        if dominant is None:
            raise InputError(
                f"subcentre: expected a network that shows which centre is dominant, got {name}, whose "
                f"centres are equally long; give all or a number from 0 to {subcentres.count - 1}"
            )
        return [dominant]
    if not isinstance(which, int) or which >= subcentres.count:
        raise InputError(f"subcentre: expected 0 to {subcentres.count - 1}, dominant or all, got {which}")
    return [which]
