"""Histograms of the angles between the embeddings of mated and of nonmated pairs, and their overlap.

Abbreviations: FMR, false match rate; FRR, false reject rate; EER, equal error rate, where both are equal.

Source: Deng et al., arXiv:1801.07698v3, figures 6 and 7.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.metrics.comparisons import Comparisons
from recognition.metrics.finite import check_finite
from recognition.metrics.intervals import Estimate, estimate
from recognition.metrics.verification import equal_error_rate, roc

#: Bins of a histogram, two degrees each, from 0 to 180.
BINS = 90


@dataclass(frozen=True)
class PairAngles:
    """The distribution of the angles of pairs, in degrees.

    Args:
        name: Name of the data.
        mated: Shape (BINS,), number of mated pairs by angle.
        nonmated: Shape (BINS,), number of nonmated pairs by angle.
        people: Number of people that the data distinguishes.
        overlap: The area that both histograms share when each has area 1: from 0, where an angle separates
            all pairs, to 1, where the angles of both kinds are distributed alike.
        eer: Equal error rate; 0.5 is chance.
        eer_angle: The angle below which pairs are accepted there.
        frr: False reject rate at that angle, with its interval over people.
        fmr: False match rate at that angle, likewise.
        mean_mated: Mean angle of the mated pairs, with its interval over people.
        mean_nonmated: Mean angle of the nonmated pairs.
    """

    name: str
    mated: NDArray[np.int64]
    nonmated: NDArray[np.int64]
    people: int
    overlap: float
    eer: float
    eer_angle: float
    frr: Estimate
    fmr: Estimate
    mean_mated: Estimate
    mean_nonmated: float


def measure_pair_angles(comparisons: Comparisons) -> PairAngles:
    """Return the distribution of the angles of compared pairs.

    Raises:
        InputError: If there are no pairs of one kind, or a similarity is not a number.
    """
    similarities, is_mated = comparisons.similarities, comparisons.pairs.mated
    check_finite("similarities", similarities)
    eer, threshold = equal_error_rate(roc(similarities[is_mated], similarities[~is_mated]))
    degrees = np.degrees(np.arccos(similarities.astype(np.float64).clip(-1, 1)))
    mated, nonmated = (
        np.histogram(degrees[kind], bins=BINS, range=(0, 180))[0] for kind in (is_mated, ~is_mated)
    )
    tar, fmr = comparisons.rates(threshold)
    owners = comparisons.pairs.people[comparisons.pairs.first[is_mated]]
    return PairAngles(
        name=comparisons.name,
        mated=mated,
        nonmated=nonmated,
        people=len(np.unique(comparisons.pairs.people)),
        overlap=float(np.minimum(mated / mated.sum(), nonmated / nonmated.sum()).sum()),
        eer=eer,
        eer_angle=float(np.degrees(np.arccos(np.clip(threshold, -1, 1)))),
        frr=Estimate(1 - tar.value, 1 - tar.high, 1 - tar.low, tar.identities, tar.comparisons),
        fmr=fmr,
        mean_mated=estimate(degrees[is_mated], owners, pooled=True),
        mean_nonmated=float(degrees[~is_mated].mean()),
    )


def describe_pair_angles(angles: PairAngles) -> dict[str, Any]:
    """Return the distribution's figures, without its bins, as a flat JSON object."""
    return {
        "data": angles.name,
        "mated": int(angles.mated.sum()),
        "nonmated": int(angles.nonmated.sum()),
        "people": angles.people,
        "mean_mated": round(angles.mean_mated.value, 2),
        "mean_mated_interval": [round(angles.mean_mated.low, 2), round(angles.mean_mated.high, 2)],
        "mean_nonmated": round(angles.mean_nonmated, 2),
        "overlap": round(angles.overlap, 4),
        "eer": round(angles.eer, 5),
        "eer_angle": round(angles.eer_angle, 2),
        "frr_interval": [round(angles.frr.low, 5), round(angles.frr.high, 5)],
        "fmr_interval": [round(angles.fmr.low, 5), round(angles.fmr.high, 5)],
    }
