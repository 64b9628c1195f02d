"""The pairs that a network mistakes most: strangers taken for one person, and people not recognised.

Abbreviation: FMR, false match rate.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InputError
from recognition.metrics.comparisons import Comparisons
from recognition.metrics.intervals import Estimate


@dataclass(frozen=True)
class MistakenPair:
    """Two images whose verdict is wrong.

    Args:
        keys: Keys of the two images.
        names: Names of the two people; empty if the data has none.
        similarity: Their similarity.
    """

    keys: tuple[Path, Path]
    names: tuple[str, ...]
    similarity: float


@dataclass(frozen=True)
class Mistakes:
    """The worst mistakes of each kind, the worst first.

    Args:
        threshold: Similarity above which a pair is accepted.
        false_matches: Pairs of two people above it.
        false_rejects: Pairs of one person at or below it.
        tar: Share of mated pairs that are accepted, with its interval over people.
        fmr: Share of nonmated pairs that are accepted, likewise.
    """

    threshold: float
    false_matches: tuple[MistakenPair, ...]
    false_rejects: tuple[MistakenPair, ...]
    tar: Estimate
    fmr: Estimate


def find_mistakes(comparisons: Comparisons, threshold: float, *, most: int = 6) -> Mistakes:
    """Return the worst mistakes, each of other people: two photographs of a pair of people are shown once.

    Args:
        comparisons: The compared pairs.
        threshold: Similarity above which a pair is accepted.
        most: Most pairs of each kind.

    Raises:
        InputError: If `most` is below 1.
    """
    if most < 1:
        raise InputError(f"mistaken pairs: expected 1 or more of each kind, got {most}")
    similarities, mated = comparisons.similarities, comparisons.pairs.mated
    accepted = similarities > threshold
    tar, fmr = comparisons.rates(threshold)
    return Mistakes(
        threshold=threshold,
        false_matches=_worst(comparisons, np.flatnonzero(~mated & accepted), -similarities, most),
        false_rejects=_worst(comparisons, np.flatnonzero(mated & ~accepted), similarities, most),
        tar=tar,
        fmr=fmr,
    )


def _worst(
    comparisons: Comparisons, chosen: NDArray[np.int64], order: NDArray[np.floating], most: int
) -> tuple[MistakenPair, ...]:
    """Return the first pairs in rising order, at most one of each pair of people."""
    listed, found = comparisons.pairs, []
    seen: set[frozenset[int]] = set()
    for number in chosen[np.argsort(order[chosen], kind="stable")].tolist():
        images = int(listed.first[number]), int(listed.second[number])
        people = [int(listed.people[image]) for image in images]
        if frozenset(people) in seen:
            continue
        seen.add(frozenset(people))
        names = () if comparisons.names is None else tuple(comparisons.names[person] for person in people)
        keys = comparisons.keys[images[0]], comparisons.keys[images[1]]
        found.append(MistakenPair(keys, names, float(comparisons.similarities[number])))
        if len(found) == most:
            break
    return tuple(found)
