"""Of which type the figures are: whether the judges compare with what was attacked, or with something else.

A comparison with a photograph that the template came from, or that trained the attacked class, is of Type I;
one with another photograph of the person is of Type II, and measures identity.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from arcinvert.audit.cohort import Cohort
from arcinvert.audit.enrolled import Enrolled
from arcinvert.audit.inputs import AuditInputs
from arcinvert.knowledge.nearest_neighbours import SAME_TEMPLATE
from arcinvert.subjects import class_label
from arcinvert.subjects.classes import training_photographs

#: Templates of a network tell nobody apart where half of the cosines of different people are above this.
_APART = 0.5


@dataclass(frozen=True)
class ReferenceType:
    """Of which type the figures are that compare with the judges' photograph.

    Args:
        type: `type_1` or `type_2` of everybody; `unknown` where it is not known of each.
        people: How many people are attacked.
        type_1: Of how many the photograph is one that the template came from, or one of which as many trained
            the class as there are here.
        known: Of how many it is known how many photographs trained the class; None for templates.
    """

    type: Literal["type_1", "type_2", "unknown"]
    people: int
    type_1: int
    known: int | None = None

    def describe(self) -> dict[str, Any]:
        """Return it as JSON: counts, as the number of one's training photographs may name a person."""
        return asdict(self)

    def notes(self) -> list[str]:
        """Return sentences for the report."""
        if self.known is not None:
            return [
                "The network was trained on those attacked. How many photographs trained a class is known of "
                f"{self.known:,} of {self.people:,} people; of {self.type_1:,}, there are no more "
                "photographs here than that, so that the judges compare with one that trained it (Type I). "
                "Of the others it may have been kept out of training (Type II)."
            ]
        if self.type_1:
            return [
                f"Of {self.type_1:,} of {self.people:,} people the stored template is that of the photograph "
                "that the judges compare with (Type I)."
            ]
        return []


def reference_type(inputs: AuditInputs, cohort: Cohort | None, enrolled: Enrolled) -> ReferenceType:
    """Return of which type the figures of an audit are.

    Args:
        inputs: The audit's.
        cohort: The people; None without photographs.
        enrolled: Those attacked.
    """
    names: list[str] = enrolled.names.tolist()
    if cohort is None:
        return ReferenceType("type_2", len(names), 0)
    if inputs.options.target == "centres":
        return _of_classes(inputs, cohort, names)
    same = _of_database(enrolled) if inputs.table is not None else 0
    kind: Literal["type_1", "type_2", "unknown"] = "unknown" if same else "type_2"
    return ReferenceType("type_1" if same == len(names) else kind, len(names), same)


def _of_classes(inputs: AuditInputs, cohort: Cohort, names: list[str]) -> ReferenceType:
    counts = training_photographs(inputs.recogniser)
    trained = [None if counts is None else counts[class_label(inputs.recogniser, name)] for name in names]
    pairs = [(one, len(cohort.attacked[name])) for one, name in zip(trained, names, strict=True)]
    type_1 = sum(one is not None and one >= given for one, given in pairs)
    return ReferenceType(
        "type_1" if type_1 == len(names) else "unknown",
        len(names),
        type_1,
        sum(one is not None for one in trained),
    )


def _of_database(enrolled: Enrolled) -> int:
    """Return of how many people the stored template is that of the judges' photograph."""
    _, second = enrolled.embeddings(lambda embeddings: embeddings.attacked)
    stored, own = (
        rows / np.linalg.norm(rows, axis=1, keepdims=True)
        for rows in (enrolled.templates.astype(np.float64), second.astype(np.float64))
    )
    cosines = stored @ own.T
    strangers = cosines[~np.eye(len(cosines), dtype=np.bool_)]
    if len(strangers) and np.median(strangers) > _APART:
        return 0
    return int((np.diag(cosines) > SAME_TEMPLATE).sum())
