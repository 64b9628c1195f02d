"""How far two judges agree on the same reconstructions."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.metrics.intervals import Estimate, estimate

Accepted = NDArray[np.bool_]


def agreement_by_chance(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return the share of equal verdicts if one side's were dealt out at random.

    Args:
        first: Verdicts or classes, of any shape.
        second: The same, of any shape.
    """
    return float(sum((first == one).mean() * (second == one).mean() for one in np.unique(first)))


def cohens_kappa(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Return Cohen's kappa of two judges' verdicts, of any equal shape: agreement beyond chance.

    It is 1 where the judges always agree, and 0 where they agree as often as two judges would who accept as
    many at random.

    Source: Cohen, Educational and Psychological Measurement 20(1), 1960.
    """
    agreed, by_chance = float((first == second).mean()), agreement_by_chance(first, second)
    return 1.0 if agreed == 1 else (agreed - by_chance) / (1 - by_chance)


def estimate_kappa(first: NDArray[Any], second: NDArray[Any]) -> Estimate | None:
    """Return Cohen's kappa with its interval; None where all verdicts of both sides are alike.

    The interval is that of the share of equal verdicts, beyond the chance that was found: exact with one
    verdict of each person, so that judges who agree on all of few people do not seem certain to. A bootstrap
    over people would give them an interval without width. benchmarks/interval_coverage.py simulates it.

    Args:
        first: Verdicts or classes, (people, samples).
        second: The same, of this shape.
    """
    by_chance = agreement_by_chance(first, second)
    if by_chance == 1:
        return None
    equal = _equal(first, second)
    low, high = ((end - by_chance) / (1 - by_chance) for end in (equal.low, equal.high))
    return Estimate(cohens_kappa(first, second), max(low, -1.0), high, equal.identities, equal.comparisons)


def agreements(names: Sequence[str], accepted: Sequence[Accepted]) -> list[dict[str, Any]]:
    """Return how far every two judges agree, as JSON: the share of equal verdicts, and kappa.

    Kappa is None where it means nothing: both judges accept all reconstructions, or none.

    Args:
        names: The judges'.
        accepted: Each judge's verdicts, (people, samples).
    """
    found = []
    for (one, first), (other, second) in combinations(zip(names, accepted, strict=True), 2):
        kappa = estimate_kappa(first, second)
        found.append(
            {
                "judges": [one, other],
                "equal": asdict(_equal(first, second)),
                "kappa": None if kappa is None else asdict(kappa),
            }
        )
    return found


def _equal(first: NDArray[Any], second: NDArray[Any]) -> Estimate:
    """Return the share of equal verdicts."""
    people, samples = first.shape
    return estimate((first == second).ravel(), np.repeat(np.arange(people), samples))
