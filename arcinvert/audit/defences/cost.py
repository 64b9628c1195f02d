"""What a defence costs in verification, and whether its protected templates can be linked and renewed.

Verification is measured with one key for everybody, as if it were stolen: keys of their own would make people
look more different than their faces are.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.defences.base import TemplateDefence, unit_norm
from arcinvert.audit.defences.linkability import Linkability, estimate_linkability
from arcinvert.audit.metrics import Comparisons, compare_all
from arcinvert.evaluation.similarity import Array, similarity
from recognition.errors import InputError
from recognition.metrics.intervals import Estimate
from recognition.metrics.thresholds import estimate_acceptance
from recognition.seeds import derive_seed

#: The false match rate (FMR) at which a defence's cost is reported.
COST_FMR = 1e-3
#: Why there is no figure that compares a person's own photographs.
_NO_PAIRS = (
    "expected people outside the attack with two photographs each, got too few; add photographs of them, "
    "or give others with --calibration DIR"
)


@dataclass(frozen=True)
class Cost:
    """What a defence costs in verification, and what it gives besides: unlinkability and renewability.

    Args:
        tar: True accept rate (TAR) at `COST_FMR`, with one key for everybody.
        tar_refused: Why there is no TAR, if there is none.
        linkability: D_sys of two records of one person under keys of their own.
        linkability_refused: Why there is none.
        renewed: The share of renewed records, of the same photograph under another key, that are accepted in
            place of the old ones at the threshold of `tar`: 0 where a stolen record is worthless after
            renewal, 1 where a record cannot be renewed.
        renewed_refused: Why there is none.
    """

    tar: Estimate | None
    tar_refused: str | None
    linkability: Linkability | None
    linkability_refused: str | None
    renewed: Estimate | None
    renewed_refused: str | None


@dataclass(frozen=True)
class _Records:
    """What verification and linking compare, each of shape (images, dim), where not said otherwise.

    All are of unit norm.

    Args:
        stored: Records under one key for everybody.
        probes: What fresh photographs become under that key.
        separate: Records under keys of their own.
        renewed: Records of the first photograph of each person under other keys, (people, dim).
        compared: Returns similarities as whoever compares learns them.
    """

    stored: Array
    probes: Array
    separate: Array
    renewed: Array
    compared: Callable[[Array], Array]

    def pairs(self, first: Array, second: Array, labels: NDArray[np.integer]) -> Comparisons:
        """Return mated and nonmated similarities; see `compare_all`."""
        found = compare_all(first, second, labels, "cosine")
        others = replace(found.nonmated, similarities=self.compared(found.nonmated.similarities))
        return replace(found, mated=self.compared(found.mated), nonmated=others)


def measure_cost(
    defence: TemplateDefence | None, embeddings: Array, labels: NDArray[np.integer], *, seed: int
) -> Cost:
    """Return the cost of a defence; None stands for no defence.

    Args:
        defence: What protects the templates.
        embeddings: Shape (images, dim), unit norm.
        labels: Shape (images,), the identity of each image.
        seed: Seed of the keys.
    """
    records = _records(defence, embeddings.astype(np.float64), labels, seed)
    found = records.pairs(records.stored, records.probes, labels)
    tar, renewed, tar_refused, renewed_refused = None, None, None, None
    try:
        threshold = found.nonmated.threshold(COST_FMR)
    except InputError as error:
        # Both are accepted at the threshold.
        tar_refused = renewed_refused = str(error)
    else:
        firsts = np.unique(labels, return_index=True)[1]
        again = records.compared(similarity(records.separate[firsts], records.renewed, "cosine"))
        renewed = estimate_acceptance(again, labels[firsts], threshold)
        if len(found.mated):
            tar = estimate_acceptance(found.mated, found.owners, threshold)
        else:
            tar_refused = _NO_PAIRS
    separate = records.pairs(records.separate, records.separate, labels)
    linkability = estimate_linkability(separate, labels, seed=seed)
    linkability_refused = _NO_PAIRS if linkability is None else None
    return Cost(tar, tar_refused, linkability, linkability_refused, renewed, renewed_refused)


def _records(
    defence: TemplateDefence | None, embeddings: Array, labels: NDArray[np.integer], seed: int
) -> _Records:
    firsts = np.unique(labels, return_index=True)[1]
    if defence is None:
        return _Records(embeddings, embeddings, embeddings, embeddings[firsts], np.asarray)
    count = len(embeddings)
    same = [derive_seed(seed, "one key")] * count
    own = [derive_seed(seed, "own key", index) for index in range(count)]
    other = [derive_seed(seed, "renewed key", int(index)) for index in firsts]
    return _Records(
        # An unkeyed defence draws anew for every stored template, whoever else's key is stolen.
        stored=unit_norm(defence.protect(embeddings, same if defence.keyed else own)),
        probes=unit_norm(defence.probe(embeddings, same)),
        separate=unit_norm(defence.protect(embeddings, own)),
        renewed=unit_norm(defence.protect(embeddings[firsts], other)),
        compared=defence.compared,
    )
