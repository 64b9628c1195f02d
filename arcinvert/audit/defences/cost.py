"""What a defence costs in verification, and whether its protected templates can be linked and renewed.

Verification is measured with one key for everybody, as if it were stolen: keys of their own would make people
look more different than their faces are.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.defences.base import TemplateDefence, unit_norm
from arcinvert.audit.metrics import Comparisons, compare_all, system_linkability
from arcinvert.evaluation.similarity import Array, similarity
from recognition.errors import InputError
from recognition.metrics.intervals import Estimate
from recognition.metrics.thresholds import estimate_acceptance
from recognition.seeds import derive_seed

#: The false match rate (FMR) at which a defence's cost is reported.
COST_FMR = 1e-3
#: The most pairs that linkability is measured on.
_LINK_PAIRS = 20000


@dataclass(frozen=True)
class Cost:
    """What a defence costs in verification, and what it gives besides: unlinkability and renewability.

    Args:
        tar: True accept rate (TAR) at `COST_FMR`, with one key for everybody.
        refused: Why there is no TAR, if there is none.
        linkability: D_sys of two records of one person under keys of their own.
        linkability_floor: The same with mated and nonmated pairs assigned at random: what chance gives with
            so few pairs.
        renewed: The share of renewed records, of the same photograph under another key, that are accepted in
            place of the old ones at the threshold of `tar`: 0 where a stolen record is worthless after
            renewal, 1 where a record cannot be renewed. None if there is no TAR.
    """

    tar: Estimate | None
    refused: str | None
    linkability: float | None
    linkability_floor: float | None
    renewed: Estimate | None


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
    tar, refused, renewed = None, None, None
    try:
        threshold = found.nonmated.threshold(COST_FMR)
        tar = estimate_acceptance(found.mated, found.owners, threshold)
        firsts = np.unique(labels, return_index=True)[1]
        again = records.compared(similarity(records.separate[firsts], records.renewed, "cosine"))
        renewed = estimate_acceptance(again, labels[firsts], threshold)
    except InputError as error:
        refused = str(error)
    linkability, floor = _linkability(records, labels, seed)
    return Cost(tar, refused, linkability, floor, renewed)


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


def _linkability(
    records: _Records, labels: NDArray[np.integer], seed: int
) -> tuple[float, float] | tuple[None, None]:
    """Return D_sys of records under keys of their own, and of as many pairs assigned at random."""
    found = records.pairs(records.separate, records.separate, labels)
    mated, others = found.mated, found.nonmated.similarities
    if len(mated) < 2 or len(others) < 2:
        return None, None
    generator = np.random.default_rng(seed)
    others = generator.permutation(others)[:_LINK_PAIRS]
    mixed = generator.permutation(np.concatenate([mated, others]))
    return (
        system_linkability(mated, others),
        system_linkability(mixed[: len(mated)], mixed[len(mated) :]),
    )
