"""Figures of an audit as pure functions of arrays. Similarities are higher for one person."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from arcinvert.evaluation.similarity import Array, Metric, similarity_matrix
from recognition.errors import InputError
from recognition.metrics.text import interval_text
from recognition.metrics.thresholds import DecisionThreshold, Nonmated, fewest_people
from recognition.metrics.verification import roc

#: Rows of a similarity matrix that are computed at once, which keeps memory flat.
_BLOCK = 256

ThresholdSource = Literal["calibration", "shipped"]


@dataclass(frozen=True)
class Calibrated:
    """A verifier's threshold at one false match rate (FMR).

    Args:
        fmr: The false match rate.
        threshold: The threshold with its interval; None if `refused` says why there is none.
        refused: Why the rate cannot be claimed.
        source: Whether it was calibrated on the people outside the attack, or comes with the package; None if
            there is none.
    """

    fmr: float
    threshold: DecisionThreshold | None
    refused: str | None
    source: ThresholdSource | None


#: Begins the reason why a shipped threshold does not serve, after what refused the calibration.
NOT_HELD = "the shipped threshold does not hold for these people"


def calibrate(
    nonmated: Nonmated, fmrs: Sequence[float], shipped: Sequence[DecisionThreshold] = ()
) -> list[Calibrated]:
    """Return a threshold for each false match rate.

    Where there are too few people for a rate, the shipped threshold serves, unless the people that there are
    show that it does not hold for them; else the rate is refused.

    Args:
        nonmated: Comparisons of the people that there are.
        fmrs: The rates.
        shipped: Thresholds that come with the package.
    """
    known = {f"{one.fmr:g}": one for one in shipped}
    return [_calibrate(nonmated, fmr, known.get(f"{fmr:g}")) for fmr in fmrs]


def _calibrate(nonmated: Nonmated, fmr: float, shipped: DecisionThreshold | None) -> Calibrated:
    try:
        return Calibrated(fmr, nonmated.threshold(fmr), None, "calibration")
    except InputError as error:
        refused = str(error)
    if shipped is None:
        return Calibrated(fmr, None, f"{refused}; no threshold is shipped for it", None)
    if len(nonmated.similarities) and (found := nonmated.fmr(shipped.value)).low > fmr:
        return Calibrated(
            fmr,
            None,
            f"{refused}; {NOT_HELD}, of whose pairs it accepts {interval_text(asdict(found))}",
            None,
        )
    return Calibrated(fmr, shipped, None, "shipped")


def supported(nonmated: Nonmated, fmrs: Sequence[float]) -> list[float]:
    """Return those of the false match rates that there are enough people for."""
    return [fmr for fmr in fmrs if nonmated.people >= fewest_people(fmr)]


def stranger_rates(similarities: Array, nonmated: Array) -> Array:
    """Return the share of nonmated comparisons that are at least as similar as each similarity.

    One is added to both counts, so that a finite sample gives no similarity a rate of zero.

    Args:
        similarities: Any shape, which is the result's too.
        nonmated: Shape (comparisons,).
    """
    ordered = np.sort(nonmated)
    above = len(ordered) - np.searchsorted(ordered, similarities, side="left")
    return (above + 1) / (len(ordered) + 1)


@dataclass(frozen=True)
class Comparisons:
    """All comparisons of labelled images.

    Args:
        mated: Shape (comparisons,), similarities of images of one person.
        owners: Shape (comparisons,), the label of each.
        nonmated: The comparisons of images of two people.
    """

    mated: Array
    owners: NDArray[np.integer]
    nonmated: Nonmated


def compare_all(
    first: Array, second: Array, labels: NDArray[np.integer], metric: Metric, *, per_identity: int = 10
) -> Comparisons:
    """Return mated and nonmated similarities of labelled images, every pair of two images once.

    Args:
        first: Shape (images, dim), the earlier image's side of each comparison.
        second: Shape (images, dim), the later image's side; the same array where both are treated alike.
        labels: Shape (images,), the identity of each image.
        metric: How embeddings are compared.
        per_identity: The most mated pairs of one identity that are kept, the first ones.
    """
    names, person, images = np.unique(labels, return_inverse=True, return_counts=True)
    mated, owners = [np.zeros(0)], [np.zeros(0, labels.dtype)]
    nonmated, rows, columns = [np.zeros(0)], [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    used = np.zeros(len(names), np.int64)
    place = person.astype(np.int32)
    for row in range(len(labels) - 1):
        similarities = similarity_matrix(first[row : row + 1], second[row + 1 :], metric)[0]
        same = person[row + 1 :] == person[row]
        nonmated.append(similarities[~same])
        columns.append(place[row + 1 :][~same])
        rows.append(np.full(len(nonmated[-1]), place[row]))
        own = similarities[same][: max(0, per_identity - int(used[person[row]]))]
        used[person[row]] += len(own)
        mated.append(own)
        owners.append(np.full(len(own), labels[row]))
    others = Nonmated(np.concatenate(nonmated), np.concatenate(rows), np.concatenate(columns), images)
    return Comparisons(np.concatenate(mated), np.concatenate(owners), others)


def ranks(probes: Array, gallery: Array, own: NDArray[np.integer], metric: Metric) -> NDArray[np.int64]:
    """Return the rank, from 1, of each probe's own gallery entry; ties count against the probe.

    Args:
        probes: Shape (n, dim).
        gallery: Shape (m, dim).
        own: Shape (n,), the index of each probe's own entry in the gallery.
        metric: How embeddings are compared.
    """
    found = []
    for begin in range(0, len(probes), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        similarities = similarity_matrix(probes[part], gallery, metric)
        mine = np.take_along_axis(similarities, own[part, None], 1)
        # The own entry is at least as similar as itself, and so counts as the first.
        found.append((similarities >= mine).sum(1))
    return np.concatenate(found).astype(np.int64)


def system_linkability(mated: Array, nonmated: Array, *, bins: int | None = None) -> float:
    """Return D_sys in [0, 1]: 0 if protected templates of one person cannot be linked, 1 if all can.

    Args:
        mated: Similarities of one person's templates under different keys.
        nonmated: Similarities of two people's templates.
        bins: Bins of the histograms; by default the square root of the smaller count, from 2 to 100.

    Source: Gomez-Barrero et al., IEEE TIFS 13(6), 2018, with equal priors.
    """
    edges = linkability_edges(mated, nonmated, bins)
    return linkability_of(np.histogram(mated, edges)[0], np.histogram(nonmated, edges)[0])


def linkability_edges(mated: Array, nonmated: Array, bins: int | None = None) -> Array:
    """Return the edges of the histograms that `system_linkability` compares, (bins + 1,)."""
    if bins is None:
        bins = int(np.clip(math.sqrt(min(len(mated), len(nonmated))), 2, 100))
    low, high = min(mated.min(), nonmated.min()), max(mated.max(), nonmated.max())
    # Of similarities that are all equal, one bin holds everything, and nothing can be linked.
    return np.linspace(low, high if high > low else low + 1, bins + 1)


def linkability_of(mated: NDArray[Any], nonmated: NDArray[Any]) -> float:
    """Return D_sys of two histograms, (bins,) each, of counts or weights."""
    same, other = mated / mated.sum(), nonmated / nonmated.sum()
    total = same + other
    # (LR - 1) / (LR + 1), which is 2 LR / (1 + LR) - 1, without dividing by an empty bin.
    local = np.divide(same - other, total, out=np.zeros_like(total), where=total > 0)
    return float((np.maximum(local, 0) * same).sum())


def tar_at_rates(mated: Array, nonmated: Array, rates: Sequence[float]) -> list[float]:
    """Return the true accept rate (TAR) at each false match rate, at the lowest threshold that keeps it."""
    curve = roc(mated, nonmated)
    places = np.searchsorted(curve.far, np.asarray(rates) + 1e-12, side="right") - 1
    return [float(1 - rate) for rate in curve.frr[places]]
