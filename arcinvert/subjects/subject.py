"""One identity to attack."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from arcinvert.evaluation.scores import Reference
from arcinvert.knowledge.public_photographs import PhotographKey
from arcinvert.output.contact_sheet import SHEET_IDENTITIES


@dataclass(frozen=True)
class SubCentre:
    """Which of the several centres of a class is attacked.

    Args:
        number: Its number from 0.
        dominant: Whether it is the dominant one; None if that is not known.
        angles: The angle of each training photograph of the class to which it is the nearest centre, in
            degrees, rising; None if the photographs are not known.
        photographs: The first of these photographs, uint8 112x112.
    """

    number: int
    dominant: bool | None
    angles: tuple[float, ...] | None = None
    photographs: tuple[NDArray[np.uint8], ...] = ()

    def describe(self) -> dict[str, Any]:
        """Return it as JSON, without the photographs."""
        angles = None if self.angles is None else [round(angle, 2) for angle in self.angles]
        return {"number": self.number, "dominant": self.dominant, "angles": angles}


@dataclass(frozen=True)
class Subject:
    """One identity to attack.

    Args:
        name: The class name, or the path of the photograph or of the file of templates.
        label: The class index in closed-set attacks; None in open-set ones.
        template: The class centre or the embedding, unit norm, shape (dim,).
        reference: What the judge compares reconstructions with.
        picture: A real photograph to show beside the result, uint8 112x112; None if there is none.
        sha256: SHA-256 of the input; None if there is none.
        stem: The beginning of the names of the subject's files.
        photographs: The number of photographs of the class that the network was trained on; None if it is not
            known, and in open-set attacks.
        key: What its random numbers follow from, besides the seed; empty for the name.
        photograph_keys: What identifies the photographs that the template and the reference came from, as far
            as they are known.
        subcentre: Which of the class's centres is attacked, where it has several and one of them is; None for
            the centre that stands for the class.
    """

    name: str
    label: int | None
    template: Tensor
    reference: Reference
    picture: NDArray[np.uint8] | None = None
    sha256: str | None = None
    stem: str = ""
    key: str = ""
    photographs: int | None = None
    photograph_keys: tuple[PhotographKey, ...] = ()
    subcentre: SubCentre | None = None


def shown(subject: Subject, number: int) -> Subject:
    """Return a subject without its picture if the sheet has no room for it, so that it takes no memory."""
    return subject if number < SHEET_IDENTITIES else replace(subject, picture=None)
