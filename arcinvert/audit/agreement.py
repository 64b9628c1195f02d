"""How far two judges agree on the same reconstructions."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.metrics.intervals import Estimate, estimate, estimate_statistic

Accepted = NDArray[np.bool_]


def cohens_kappa(first: Accepted, second: Accepted) -> float:
    """Return Cohen's kappa of two judges' verdicts, of any equal shape: agreement beyond chance.

    It is 1 where the judges always agree, and 0 where they agree as often as two judges would who accept as
    many at random.

    Source: Cohen, Educational and Psychological Measurement 20(1), 1960.
    """
    agreed = float((first == second).mean())
    shares = float(first.mean()), float(second.mean())
    by_chance = shares[0] * shares[1] + (1 - shares[0]) * (1 - shares[1])
    return 1.0 if agreed == 1 else (agreed - by_chance) / (1 - by_chance)


def agreements(names: Sequence[str], accepted: Sequence[Accepted]) -> list[dict[str, Any]]:
    """Return how far every two judges agree, as JSON: the share of equal verdicts, and kappa.

    Kappa is None where it means nothing: both judges accept all reconstructions, or none.

    Args:
        names: The judges'.
        accepted: Each judge's verdicts, (people, samples).
    """
    found = []
    for (one, first), (other, second) in combinations(zip(names, accepted, strict=True), 2):
        people, samples = first.shape
        equal = estimate((first == second).ravel(), np.repeat(np.arange(people), samples))
        kappa = None
        if len(np.unique(np.concatenate([first, second]))) > 1:
            kappa = asdict(_kappa(first, second))
        found.append({"judges": [one, other], "equal": asdict(equal), "kappa": kappa})
    return found


def _kappa(first: Accepted, second: Accepted) -> Estimate:
    return estimate_statistic(lambda drawn: cohens_kappa(first[drawn], second[drawn]), len(first))
