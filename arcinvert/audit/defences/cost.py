"""What a defence costs in verification, and whether its protected templates can be linked.

Verification is measured with one key for everybody, as if it were stolen: keys of their own would make people
look more different than their faces are.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.defences.base import TemplateDefence, unit_norm
from arcinvert.audit.metrics import compare_all, system_linkability
from arcinvert.evaluation.similarity import Array
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
    """What a defence costs.

    Args:
        tar: True accept rate (TAR) at `COST_FMR`, with one key for everybody.
        refused: Why there is no TAR, if there is none.
        linkability: D_sys of two records of one person under keys of their own.
        linkability_floor: The same with mated and nonmated pairs assigned at random: what chance gives with
            so few pairs.
    """

    tar: Estimate | None
    refused: str | None
    linkability: float | None
    linkability_floor: float | None


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
    embeddings = embeddings.astype(np.float64)
    count = len(embeddings)
    same = [derive_seed(seed, "one key")] * count
    own = [derive_seed(seed, "own key", index) for index in range(count)]
    if defence is None:
        stored = probes = separate = embeddings
    else:
        # An unkeyed defence draws anew for every stored template, whoever else's key is stolen.
        stored = unit_norm(defence.protect(embeddings, same if defence.keyed else own))
        probes = unit_norm(defence.probe(embeddings, same))
        separate = unit_norm(defence.protect(embeddings, own))
    compared = compare_all(stored, probes, labels, "cosine")
    tar, refused = None, None
    try:
        threshold = compared.nonmated.threshold(COST_FMR)
        if len(compared.mated):
            tar = estimate_acceptance(compared.mated, compared.owners, threshold)
        else:
            refused = "expected people with two photographs outside the attack, got none"
    except InputError as error:
        refused = str(error)
    return Cost(tar, refused, *_linkability(separate, labels, seed))


def _linkability(
    separate: Array, labels: NDArray[np.integer], seed: int
) -> tuple[float, float] | tuple[None, None]:
    """Return D_sys of records under keys of their own, and of as many pairs assigned at random."""
    compared = compare_all(separate, separate, labels, "cosine")
    mated, others = compared.mated, compared.nonmated.similarities
    if len(mated) < 2 or len(others) < 2:
        return None, None
    generator = np.random.default_rng(seed)
    others = generator.permutation(others)[:_LINK_PAIRS]
    mixed = generator.permutation(np.concatenate([mated, others]))
    return (
        system_linkability(mated, others),
        system_linkability(mixed[: len(mated)], mixed[len(mated) :]),
    )
