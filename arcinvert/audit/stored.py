"""Whether a database's templates are the attacked network's: else an audit would call them harmless."""

import math

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.enrolled import Enrolled
from arcinvert.audit.inputs import AuditInputs
from recognition.errors import InputError

#: How many standard errors the templates must be more similar to their own people than to strangers. Those of
#: another network, or in another order, exceed it about once in a hundred audits.
_LEAST_OF_ALL = 2.5
#: How many standard deviations of strangers' similarities a single template must be above their mean.
_LEAST_OF_ONE = 2.0


def above_strangers(stored: NDArray[np.floating], own: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return how much more similar each stored template is to its own person than to the others, (people,).

    It is in standard deviations of the similarities of strangers.

    Args:
        stored: Shape (people, dim), what the database has; at least two people.
        own: Shape (people, dim), the network's templates of the same people's photographs.
    """
    first, second = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (stored, own))
    cosines = first.astype(np.float64) @ second.astype(np.float64).T
    strangers = cosines[~np.eye(len(cosines), dtype=bool)].reshape(len(cosines), -1)
    deviation = max(float(strangers.std()), 1e-6)
    return np.asarray((np.diag(cosines) - strangers.mean(1)) / deviation)


def check_stored_templates(inputs: AuditInputs, enrolled: Enrolled) -> tuple[str, ...]:
    """Compare a database's templates with the network's of the same people's photographs; return notes.

    Args:
        inputs: The audit's.
        enrolled: Those attacked, with what is attacked of each.

    Raises:
        InputError: If they are no more similar than those of strangers.
    """
    if inputs.table is None or len(enrolled.names) < 2 or not enrolled.units:
        return ()
    own, _ = enrolled.embeddings(lambda embeddings: embeddings.attacked)
    above = above_strangers(enrolled.templates, own)
    if above.mean() * math.sqrt(len(above)) < _LEAST_OF_ALL:
        raise InputError(
            f"templates: expected those of {inputs.recogniser.name}, got others: to its own templates of the "
            "people's photographs they are no more similar than to those of strangers; check --model, --ids "
            "and the names"
        )
    other = int((above < _LEAST_OF_ONE).sum())
    if not other:
        return ()
    return (
        f"Of {other} of {len(above)} people the stored template is no more similar to the network's template "
        "of their photograph than to those of strangers: it may be somebody else's.",
    )
