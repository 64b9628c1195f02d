"""Unlinkability of protected templates: D_sys with its interval over people, beside what chance gives."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from arcinvert.audit.metrics import Comparisons, linkability_edges, linkability_of, system_linkability
from arcinvert.evaluation.similarity import Array
from recognition.metrics.intervals import Estimate, bootstrap_weights
from recognition.metrics.shares import CONFIDENCE, student_quantile

#: The most pairs of two people that are compared, and how often pairs are assigned at random.
_PAIRS, _PERMUTATIONS = 20000, 200


@dataclass(frozen=True)
class Linkability:
    """How well records of one person under different keys can be linked.

    Args:
        figure: D_sys with its interval over people.
        chance: The mean of D_sys of as many pairs that are assigned at random, and the range that holds 95 %
            of the assignments: so few pairs never give 0.
    """

    figure: Estimate
    chance: Estimate


def estimate_linkability(found: Comparisons, labels: NDArray[np.integer], *, seed: int) -> Linkability | None:
    """Return D_sys of records; None with fewer than two pairs of one person, or of two people.

    People are drawn, with all pairs of theirs, in a bootstrap. Replicates have fewer different pairs, which
    alone makes D_sys greater: their spread around their own mean is the interval's, around the figure.

    Args:
        found: All comparisons of the records.
        labels: Shape (records,), whose each is.
        seed: Of which pairs of two people are kept, and of the assignments.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 10, for the bias; the
        tails, as `recognition.metrics.intervals.estimate_statistic`.
    """
    if len(found.mated) < 2 or len(found.nonmated.similarities) < 2:
        return None
    generator = np.random.default_rng(seed)
    kept = generator.permutation(len(found.nonmated.similarities))[:_PAIRS]
    mated, others = found.mated, found.nonmated.similarities[kept]
    value, people = system_linkability(mated, others), found.nonmated.people
    owners = np.searchsorted(np.unique(labels), found.owners)
    replicates = _replicates(found, owners, kept)
    tail = float(ndtr(-math.sqrt(people / (people - 1)) * student_quantile(0.5 + CONFIDENCE / 2, people - 1)))
    low, high = value + np.quantile(replicates - replicates.mean(), [tail, 1 - tail])
    mixed = np.concatenate([mated, others])
    assigned = np.zeros(_PERMUTATIONS)
    for number in range(_PERMUTATIONS):
        generator.shuffle(mixed)
        assigned[number] = system_linkability(mixed[: len(mated)], mixed[len(mated) :])
    least, most = np.quantile(assigned, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    pairs = len(mixed)
    return Linkability(
        Estimate(value, max(0.0, float(low)), min(1.0, float(high)), people, pairs),
        Estimate(float(assigned.mean()), float(least), float(most), people, pairs),
    )


def _replicates(found: Comparisons, owners: NDArray[np.integer], kept: NDArray[np.integer]) -> Array:
    """Return D_sys of people who are drawn again and again, (replicates,).

    Args:
        found: All comparisons of the records.
        owners: Shape (mated,), the index of the person of each pair of one person.
        kept: Which pairs of two people count.
    """
    others = found.nonmated.similarities[kept]
    first, second = found.nonmated.first[kept], found.nonmated.second[kept]
    edges = linkability_edges(found.mated, others)
    bins = len(edges) - 1
    places = [np.clip(np.searchsorted(edges, one, "right") - 1, 0, bins - 1) for one in (found.mated, others)]
    drawn = []
    for block in bootstrap_weights(found.nonmated.people):
        for weights in block:
            same = np.bincount(places[0], weights[owners], bins)
            other = np.bincount(places[1], weights[first] * weights[second], bins)
            if same.any() and other.any():
                drawn.append(linkability_of(same, other))
    return np.array(drawn)
