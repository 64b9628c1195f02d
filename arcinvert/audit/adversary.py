"""What the adversary of a defended template knows of other people, at the audit's level of knowledge."""

from collections.abc import Sequence

import numpy as np

from arcinvert.audit.attack import NetworkAttack
from arcinvert.audit.defences.base import Adversary, unit_norm
from arcinvert.evaluation.similarity import Array
from recognition.recogniser import Recogniser

#: The most public faces of a file of statistics, and the most class centres, that a prior is made of.
MOST = 10_000


def adversary_of(attack: NetworkAttack, names: Sequence[str], public: Array) -> Adversary:
    """Return what the adversary of an audit's defences knows.

    Whoever holds the network holds its class centres. Who knows public faces has their templates besides:
    those of the file of 'arcinvert calibrate', where it has any, and those of the audit's people outside the
    attack.

    Args:
        attack: The audit's attack.
        names: Those attacked, whose own centres are left out.
        public: Shape (photographs, dim), unit norm, templates of people outside the attack.
    """
    dim = attack.recogniser.embedding_size
    centres = other_centres(attack.recogniser, names)
    if attack.level == "weights":
        return Adversary(dim, np.zeros((0, dim)), centres)
    parts: list[Array] = [public.astype(np.float64)]
    statistics = attack.knowledge.statistics
    # Drawn faces have other templates than photographs.
    if statistics is not None and statistics.template_faces == "public faces":
        known = statistics.nearest_neighbours
        if known is not None:
            parts.append(unit_norm(_some(known.templates.double().cpu().numpy())))
    return Adversary(dim, np.concatenate(parts), centres)


def other_centres(recogniser: Recogniser, names: Sequence[str] = ()) -> Array | None:
    """Return class centres, (classes, dim), unit norm, but those of some names; None without any."""
    if recogniser.centres is None:
        return None
    rows = unit_norm(recogniser.centres.double().cpu().numpy())
    if recogniser.class_names is not None:
        rows = rows[~np.isin(np.array(recogniser.class_names, dtype=str), list(names))]
    return _some(rows)


def _some(rows: Array) -> Array:
    """Return at most `MOST` of the rows, in their order, drawn by a fixed seed."""
    if len(rows) <= MOST:
        return rows
    return np.asarray(rows[np.sort(np.random.default_rng(0).permutation(len(rows))[:MOST])])
