"""What one judge's embeddings say: arrays in, a JSON object of figures out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.metrics import (
    Array,
    Calibrated,
    Metric,
    accidental_rate,
    calibrate,
    gap_closed,
    paired_similarity,
    pairs_between,
    ranks,
    receiver_curve,
)
from recognition.metrics.intervals import estimate, share_intervals

#: False match rates of the curves.
CURVE = tuple(float(rate) for rate in np.logspace(-4, -1, 25))
#: Bins of the histograms.
BINS = 40


@dataclass(frozen=True)
class JudgeEvidence:
    """Embeddings of one judge.

    Args:
        name, metric: of the judge.
        calibration: (m, dim), photographs of people outside the attack; labels: (m,), whose each is.
        second: (n, dim), the other photograph of each attacked person, which Type II compares with.
        floor: (dim,), the mean face.
        reconstructions: (n, samples, dim).
        source: (n, dim), a photograph of the person beside `second`: the template's own, if it is known.
        source_is_own: whether it is known, so that Type I can be told.
        survived: reconstructions after each transform, likewise.
    """

    name: str
    metric: Metric
    calibration: Array
    labels: NDArray[np.integer]
    second: Array
    floor: Array
    reconstructions: Array
    source: Array
    source_is_own: bool = True
    survived: dict[str, Array] = field(default_factory=dict)

    @property
    def type_2(self) -> Array:
        """Similarities, (n, samples), to the other photograph."""
        return paired_similarity(self.reconstructions, self.second[:, None], self.metric)

    @property
    def type_1(self) -> Array:
        """Similarities, (n, samples), to the template's own photograph."""
        return paired_similarity(self.reconstructions, self.source[:, None], self.metric)

    @property
    def ceiling(self) -> Array:
        """Similarities, (n,), of the two real photographs."""
        return paired_similarity(self.source, self.second, self.metric)

    @property
    def floor_similarity(self) -> Array:
        """Similarities, (n,), of the mean face to the other photograph."""
        return paired_similarity(self.floor[None], self.second, self.metric)

    @property
    def strangers(self) -> Array:
        """Similarities, (n, samples), of the next person's reconstructions to the other photograph."""
        return paired_similarity(np.roll(self.reconstructions, 1, 0), self.second[:, None], self.metric)


@dataclass(frozen=True)
class Judged:
    """A judge's figures, and what other figures are made of."""

    figures: dict[str, Any]
    calibrated: list[Calibrated]
    nonmated: Array


def judge(evidence: JudgeEvidence, fmrs: Sequence[float]) -> Judged:
    """Every figure of one judge, as JSON."""
    mated, nonmated = pairs_between(
        evidence.calibration, evidence.calibration, evidence.labels, evidence.metric
    )
    calibrated = calibrate(mated, nonmated, fmrs)
    shares = {}
    for entry in calibrated:
        if entry.point is not None:
            shares[f"{entry.fmr:g}"] = _acceptance(evidence, entry.point.threshold)
    similarity = {
        "type_2": _mean(evidence.type_2),
        "type_1": _mean(evidence.type_1) if evidence.source_is_own else None,
        "floor": _mean(evidence.floor_similarity),
        "ceiling": _mean(evidence.ceiling),
    }
    closed = [similarity[key]["value"] for key in ("type_2", "floor", "ceiling")]  # type: ignore[index]
    figures = {
        "calibration": {
            "identities": len(np.unique(evidence.labels)),
            "photographs": len(evidence.labels),
            "mated": len(mated),
            "nonmated": len(nonmated),
        },
        "thresholds": [_described(entry) for entry in calibrated],
        "sar": shares,
        "similarity_figures": similarity,
        "gap_closed": gap_closed(*closed),
        "rank": _rank(evidence),
        "survival": _survival(evidence, calibrated),
        "curve": _curve(evidence, nonmated),
        "roc": _roc(evidence, mated, nonmated),
        "histogram": _histogram(evidence, nonmated),
    }
    return Judged(figures, calibrated, nonmated)


def _described(entry: Calibrated) -> dict[str, Any]:
    point = entry.point
    return {
        "fmr": entry.fmr,
        "refused": entry.refused,
        "threshold": None if point is None else point.threshold,
        "realised_fmr": None if point is None else point.realised_fmr,
        "tar": None if point is None else point.tar,
    }


def _acceptance(evidence: JudgeEvidence, threshold: float) -> dict[str, Any]:
    """Shares accepted: of the attack, and of its floors and its ceiling."""
    return {
        "type_2": _mean(evidence.type_2 > threshold),
        "type_1": _mean(evidence.type_1 > threshold) if evidence.source_is_own else None,
        "mean_face": _mean(evidence.floor_similarity > threshold),
        "stranger": _mean(evidence.strangers > threshold) if len(evidence.second) > 1 else None,
        "ceiling": _mean(evidence.ceiling > threshold),
    }


def _mean(values: Array | NDArray[np.bool_]) -> dict[str, Any]:
    """The figure of (n,) or (n, samples) values, a row an identity."""
    rows = np.repeat(np.arange(len(values)), values[0].size)
    return vars(estimate(values.ravel(), rows))


def _rank(evidence: JudgeEvidence) -> dict[str, Any]:
    """Rank-1 and rank-5 in a gallery of the attacked people and of all who calibrate, one photograph each."""
    people, samples = evidence.reconstructions.shape[:2]
    firsts = np.unique(evidence.labels, return_index=True)[1]
    gallery = np.concatenate([evidence.second, evidence.calibration[firsts]])
    probes = {
        "attack": (evidence.reconstructions.reshape(people * samples, -1), samples),
        "mean_face": (np.repeat(evidence.floor[None], people, 0), 1),
        "ceiling": (evidence.source, 1),
    }
    found: dict[str, Any] = {"gallery": len(gallery)}
    for name, (embeddings, each) in probes.items():
        own = np.repeat(np.arange(people), each)
        places = ranks(embeddings, gallery, own, evidence.metric).reshape(people, each)
        found[name] = {str(k): _mean(places <= k) for k in (1, 5)}
    found["chance"] = {str(k): min(1.0, k / len(gallery)) for k in (1, 5)}
    return found


def _survival(evidence: JudgeEvidence, calibrated: Sequence[Calibrated]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, embeddings in evidence.survived.items():
        similarities = paired_similarity(embeddings, evidence.second[:, None], evidence.metric)
        found[name] = {
            f"{entry.fmr:g}": _mean(similarities > entry.point.threshold)
            for entry in calibrated
            if entry.point is not None
        }
    return found


def _curve(evidence: JudgeEvidence, nonmated: Array) -> list[dict[str, float]]:
    """SAR against FMR with its interval, at the rates that the comparisons support."""
    points = [entry.point for entry in calibrate(np.zeros(1), nonmated, CURVE) if entry.point is not None]
    if not points:
        return []
    accepted = evidence.type_2[:, :, None] > np.array([point.threshold for point in points])
    means = accepted.mean(1)
    low, high = share_intervals(means)
    return [
        {"fmr": point.fmr, "sar": float(value), "low": float(below), "high": float(above)}
        for point, value, below, above in zip(points, means.mean(0), low, high, strict=True)
    ]


def _roc(evidence: JudgeEvidence, mated: Array, nonmated: Array) -> list[dict[str, float]]:
    """TAR of real photographs against FMR, of the calibration's people."""
    if not len(mated) or not len(nonmated):
        return []
    rates = [rate for rate in (*CURVE, 0.2, 0.5, 1.0) if rate * len(nonmated) >= 1]
    curve = receiver_curve(mated, nonmated, rates)
    return [{"fmr": rate, "tar": tar} for rate, tar in zip(rates, curve, strict=True)]


def _histogram(evidence: JudgeEvidence, nonmated: Array) -> dict[str, Any]:
    """Shares of similarities in equal bins: strangers, reconstructions, real photographs of the person."""
    kinds = {"nonmated": nonmated, "attack": evidence.type_2.ravel(), "ceiling": evidence.ceiling}
    kinds = {name: values for name, values in kinds.items() if len(values)}
    low, high = (
        float(end) for end in (min(v.min() for v in kinds.values()), max(v.max() for v in kinds.values()))
    )
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    return {"edges": edges.tolist()} | {
        name: (np.histogram(values, edges)[0] / len(values)).tolist() for name, values in kinds.items()
    }


def chances(evidence: JudgeEvidence, nonmated: Array) -> Array:
    """For each identity, (n,), how often a stranger would pass as well: the geometric mean over samples."""
    rates = accidental_rate(evidence.type_2, nonmated)
    return np.asarray(np.exp(np.log(rates).mean(1)))


def attacked_gap(
    attacked: JudgeEvidence, attacked_judged: Judged, independent: JudgeEvidence, judged: Judged
) -> dict[str, Any]:
    """SAR in the attacked network's own eyes minus the judge's, by false match rate, with its interval.

    It says by how much an audit that trusted the attacked network would mislead.
    """
    found = {}
    for own, other in zip(attacked_judged.calibrated, judged.calibrated, strict=True):
        if own.point is None or other.point is None:
            continue
        difference = (attacked.type_2 > own.point.threshold).mean(1) - (
            independent.type_2 > other.point.threshold
        ).mean(1)
        found[f"{own.fmr:g}"] = vars(estimate(difference, np.arange(len(difference))))
    return found
