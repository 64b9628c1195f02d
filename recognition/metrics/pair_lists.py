"""Verification on the pairs that a protocol lists: accuracy over folds, and true accept rates with intervals.

Abbreviations: FMR or FAR, false match (accept) rate; TAR, true accept rate; EER, equal error rate.

A list seldom says who is in an image. Images of mated pairs show one person, and equal images are one image:
the people that follow from this are what intervals are over, since comparisons of one person depend on each
other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from recognition.errors import InputError
from recognition.metrics.accuracy import ten_fold_accuracy
from recognition.metrics.finite import check_finite
from recognition.metrics.intervals import Estimate
from recognition.metrics.thresholds import estimate_acceptance, estimate_rate, find_threshold
from recognition.metrics.verification import OperatingPoint, Roc, equal_error_rate, roc

Array = NDArray[np.floating[Any]]
#: The false match rates that are reported by default, where there are enough comparisons for them.
FMRS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
#: How many comparisons must be expected to match falsely, for the rule of three.
_FALSE_MATCHES = 3


def people_of(count: int, first: NDArray[np.integer], second: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the person of each item, shape (count,), where pairs of items are known to show one person.

    Args:
        count: Number of items.
        first: Shape (pairs,), the index of one item of each such pair.
        second: Shape (pairs,), the index of the other.
    """
    graph = coo_array((np.ones(len(first), dtype=np.int8), (first, second)), shape=(count, count))
    return connected_components(graph, directed=False)[1].astype(np.int64)


class PairedPeople:
    """The people of a list's comparisons, for the intervals of rates over them.

    Args:
        first: Shape (comparisons,), the person on one side.
        second: Shape (comparisons,), the person on the other.
    """

    def __init__(self, first: NDArray[np.integer], second: NDArray[np.integer]) -> None:
        self.first, self.second = first.astype(np.int64), second.astype(np.int64)
        #: How many people there are.
        self.people = len(np.unique(np.concatenate([np.unique(self.first), np.unique(self.second)])))
        most = int(max(self.first.max(), self.second.max())) + 1 if len(self.first) else 1
        low, high = np.minimum(self.first, self.second), np.maximum(self.first, self.second)
        _, self._pair, self._counts = np.unique(low * most + high, return_inverse=True, return_counts=True)

    def rate(self, accepted: NDArray[np.bool_]) -> Estimate:
        """Return the share of comparisons that are accepted, with its 95 % interval over people.

        Args:
            accepted: Shape (comparisons,), at least one.
        """
        rate = float(accepted.mean())
        excess = accepted - rate
        by_pair = float((np.bincount(self._pair, excess) ** 2).sum())
        most = int(max(self.first.max(), self.second.max())) + 1
        of_person = np.bincount(self.first, excess, most)
        # A comparison of a person with itself counts once.
        others = self.first != self.second
        of_person += np.bincount(self.second[others], excess[others], most)
        return estimate_rate(
            rate,
            len(accepted),
            self.people,
            design=float((self._counts.astype(np.float64) ** 2).sum()),
            by_pair=by_pair,
            by_person=float((of_person**2).sum()) - by_pair,
        )


@dataclass(frozen=True)
class PairList:
    """What a protocol compares.

    Args:
        first: Shape (pairs,), the index of one item of each pair: an image, a template or a film.
        second: Shape (pairs,), the index of the other.
        mated: Shape (pairs,), whether a pair shows one person.
        people: Shape (items,), the person of each item.
        folds: Shape (pairs,), the fold of each pair; None without folds.
    """

    first: NDArray[np.integer]
    second: NDArray[np.integer]
    mated: NDArray[np.bool_]
    people: NDArray[np.int64]
    folds: NDArray[np.integer] | None = None


@dataclass(frozen=True)
class PairVerification:
    """Verification metrics on the pairs of a list.

    Args:
        accuracy: Mean accuracy over folds, and its standard deviation; None without folds.
        points: Operating points, one per false match rate.
        tar_estimates: The true accept rate at each point with its interval over people.
        fmr_estimates: The realised false match rate likewise.
        eer: Equal error rate.
        curve: The receiver operating characteristic.
        mated: Number of mated pairs.
        nonmated: Number of nonmated pairs.
        people: Number of people that the list distinguishes.
    """

    accuracy: tuple[float, float] | None
    points: tuple[OperatingPoint, ...]
    tar_estimates: tuple[Estimate, ...]
    fmr_estimates: tuple[Estimate, ...]
    eer: float
    curve: Roc
    mated: int
    nonmated: int
    people: int


def verify_pairs(
    similarities: Array, pairs: PairList, *, fmrs: Sequence[float] | None = None
) -> PairVerification:
    """Return the metrics of the pairs of a list.

    Args:
        similarities: Shape (pairs,).
        pairs: The pairs.
        fmrs: False match rates; None takes those of `FMRS` that there are enough nonmated pairs for.

    Raises:
        InputError: If there are too few pairs for a rate, none of one kind, or a similarity is not a number.
    """
    check_finite("similarities", similarities)
    mated, nonmated = similarities[pairs.mated], similarities[~pairs.mated]
    curve = roc(mated, nonmated)
    people = PairedPeople(pairs.people[pairs.first[~pairs.mated]], pairs.people[pairs.second[~pairs.mated]])
    owners = pairs.people[pairs.first[pairs.mated]]
    chosen = (
        [fmr for fmr in FMRS if len(nonmated) * fmr >= _FALSE_MATCHES - 1e-9] if fmrs is None else list(fmrs)
    )
    points, tars, found = [], [], []
    for fmr in chosen:
        _require(fmr, len(nonmated))
        threshold, realised = find_threshold(nonmated, fmr, lambda value: people.rate(nonmated > value))
        points.append(
            OperatingPoint(
                threshold=threshold.value,
                fmr=fmr,
                realised_fmr=realised.value,
                tar=float((mated > threshold.value).mean()),
                mated=len(mated),
                nonmated=len(nonmated),
                threshold_low=threshold.low,
                threshold_high=threshold.high,
            )
        )
        tars.append(estimate_acceptance(mated, owners, threshold, pooled=True))
        found.append(realised)
    return PairVerification(
        accuracy=None if pairs.folds is None else ten_fold_accuracy(similarities, pairs.mated, pairs.folds),
        points=tuple(points),
        tar_estimates=tuple(tars),
        fmr_estimates=tuple(found),
        eer=equal_error_rate(curve)[0],
        curve=curve,
        mated=len(mated),
        nonmated=len(nonmated),
        people=len(np.unique(pairs.people)),
    )


def _require(fmr: float, comparisons: int) -> None:
    if not 0 < fmr < 1:
        raise InputError(f"FMR: expected a fraction between 0 and 1, got {fmr}")
    if comparisons * fmr < _FALSE_MATCHES - 1e-9:
        raise InputError(
            f"FMR {fmr:g}: expected at least {round(_FALSE_MATCHES / fmr):,} nonmated pairs (rule of three), "
            f"got "
            f"{comparisons:,}; use a higher FMR"
        )


def describe_pairs(metrics: PairVerification) -> dict[str, Any]:
    """Return the metrics as a flat JSON object."""
    described: dict[str, Any] = {}
    if metrics.accuracy is not None:
        mean, deviation = metrics.accuracy
        described |= {"accuracy": round(mean, 5), "accuracy_std": round(deviation, 5)}
    described["eer"] = round(metrics.eer, 5)
    for point, tar, fmr in zip(metrics.points, metrics.tar_estimates, metrics.fmr_estimates, strict=True):
        described[f"tar_at_fmr_{point.fmr:g}"] = round(point.tar, 5)
        described[f"tar_interval_{point.fmr:g}"] = [round(tar.low, 5), round(tar.high, 5)]
        described[f"realised_fmr_{point.fmr:g}"] = float(f"{point.realised_fmr:.4g}")
        described[f"fmr_interval_{point.fmr:g}"] = [float(f"{fmr.low:.3g}"), float(f"{fmr.high:.3g}")]
    return described | {"mated": metrics.mated, "nonmated": metrics.nonmated, "people": metrics.people}
