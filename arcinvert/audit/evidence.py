"""What one verifier's embeddings show: arrays in, a JSON object of figures out.

SAR is the share of reconstructions that a verifier accepts (success accept rate), FMR the false match rate at
its threshold, TAR the true accept rate of real photographs. Type I compares a reconstruction with the very
photograph that the template came from, Type II with another photograph of the person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.metrics import (
    Calibrated,
    calibrate,
    pairs_between,
    ranks,
    stranger_rates,
    tar_at_rates,
)
from arcinvert.evaluation.scores import gap_closed
from arcinvert.evaluation.similarity import Array, Metric, similarity
from recognition.metrics.intervals import estimate, share_intervals
from recognition.metrics.verification import OperatingPoint

#: False match rates of the curves.
CURVE_FMRS = tuple(float(rate) for rate in np.logspace(-4, -1, 25))
#: Why a rate is refused where the shipped thresholds serve.
_NOT_SHIPPED = (
    "FMR {:g}: expected people outside the attack to calibrate by, got too few, and no threshold is shipped"
)
#: Bins of the histograms.
BINS = 40


@dataclass(frozen=True)
class VerifierEvidence:
    """Embeddings of one verifier: a judge, or the attacked network.

    Args:
        name: The verifier's.
        metric: How its embeddings are compared.
        calibration: Shape (photographs, dim), of people outside the attack.
        labels: Shape (photographs,), whose each is.
        second: Shape (people, dim), the other photograph of each attacked person.
        floor: Shape (dim,), the mean face.
        reconstructions: Shape (people, samples, dim).
        source: Shape (people, dim), a photograph of the person beside `second`: the template's own, if it is
            known.
        source_is_template: Whether it is known, so that Type I can be judged.
        transformed: Reconstructions after each transform, by its name.
        shipped: Thresholds that come with the package, for where the calibration supports none.
    """

    name: str
    metric: Metric
    calibration: Array
    labels: NDArray[np.integer]
    second: Array
    floor: Array
    reconstructions: Array
    source: Array
    source_is_template: bool = True
    transformed: Mapping[str, Array] = field(default_factory=dict)
    shipped: tuple[OperatingPoint, ...] = ()

    @property
    def type_2(self) -> Array:
        """Similarities, (people, samples), to the other photograph."""
        return similarity(self.reconstructions, self.second[:, None], self.metric)

    @property
    def type_1(self) -> Array:
        """Similarities, (people, samples), to the template's own photograph."""
        return similarity(self.reconstructions, self.source[:, None], self.metric)

    @property
    def ceiling(self) -> Array:
        """Similarities, (people,), of the two real photographs."""
        return similarity(self.source, self.second, self.metric)

    @property
    def floor_similarity(self) -> Array:
        """Similarities, (people,), of the mean face to the other photograph."""
        return similarity(self.floor[None], self.second, self.metric)

    @property
    def strangers(self) -> Array:
        """Similarities, (people, samples), of the next person's reconstructions to the other photograph."""
        return similarity(np.roll(self.reconstructions, 1, 0), self.second[:, None], self.metric)


@dataclass(frozen=True)
class Evaluation:
    """A verifier's figures, and what further figures are computed from.

    Args:
        figures: All figures, as JSON.
        thresholds: The thresholds of the false match rates that are supported, by the rates as texts.
        nonmated: Similarities of pairs of different people: outside the attack, or else those attacked.
    """

    figures: dict[str, Any]
    thresholds: dict[str, float]
    nonmated: Array


def evaluate_verifier(evidence: VerifierEvidence, fmrs: Sequence[float]) -> Evaluation:
    """Return every figure of one verifier.

    Args:
        evidence: Its embeddings.
        fmrs: False match rates at which acceptance is reported.
    """
    mated, nonmated = pairs_between(
        evidence.calibration, evidence.calibration, evidence.labels, evidence.metric
    )
    calibrated = calibrate(mated, nonmated, fmrs)
    thresholds_from = "calibration"
    if evidence.shipped and all(one.point is None for one in calibrated):
        calibrated, thresholds_from = _shipped(evidence.shipped, fmrs), "shipped"
    counts = {
        "identities": len(np.unique(evidence.labels)),
        "photographs": len(evidence.labels),
        "mated": len(mated),
        "nonmated": len(nonmated),
        "thresholds_from": thresholds_from,
    }
    strangers = nonmated if len(evidence.labels) else _among_attacked(evidence)
    thresholds = {f"{one.fmr:g}": one.point.threshold for one in calibrated if one.point is not None}
    similarities = {
        "type_2": _mean(evidence.type_2),
        "type_1": _mean(evidence.type_1) if evidence.source_is_template else None,
        "floor": _mean(evidence.floor_similarity),
        "ceiling": _mean(evidence.ceiling),
    }
    figures = {
        "calibration": counts,
        "thresholds": [_described(entry) for entry in calibrated],
        "sar": {fmr: _acceptance(evidence, threshold) for fmr, threshold in thresholds.items()},
        "similarities": similarities,
        "gap_closed": gap_closed(
            float(evidence.type_2.mean()),
            float(evidence.floor_similarity.mean()),
            float(evidence.ceiling.mean()),
        ),
        "rank": _rank(evidence),
        "robustness": _robustness(evidence, thresholds),
        "curve": _curve(evidence, nonmated),
        "roc": _roc(evidence, mated, nonmated),
        "histogram": _histogram(evidence, strangers),
    }
    return Evaluation(figures, thresholds, strangers)


def _among_attacked(evidence: VerifierEvidence) -> Array:
    """Return similarities of photographs of different attacked people, where there are no other people."""
    people = np.tile(np.arange(len(evidence.second)), 2)
    photographs = np.concatenate([evidence.source, evidence.second])
    return pairs_between(photographs, photographs, people, evidence.metric)[1]


def _shipped(points: Sequence[OperatingPoint], fmrs: Sequence[float]) -> list[Calibrated]:
    """Return the shipped threshold of each false match rate, refused where none is."""
    known = {f"{point.fmr:g}": point for point in points}
    return [
        Calibrated(fmr, known.get(f"{fmr:g}"), None if f"{fmr:g}" in known else _NOT_SHIPPED.format(fmr))
        for fmr in fmrs
    ]


def _described(entry: Calibrated) -> dict[str, Any]:
    point = entry.point
    return {
        "fmr": entry.fmr,
        "refused": entry.refused,
        "threshold": None if point is None else point.threshold,
        "realised_fmr": None if point is None else point.realised_fmr,
        "tar": None if point is None else point.tar,
    }


def _acceptance(evidence: VerifierEvidence, threshold: float) -> dict[str, Any]:
    """Return the shares accepted of the attack, of its floors and of its ceiling."""
    return {
        "type_2": _mean(evidence.type_2 > threshold),
        "type_1": _mean(evidence.type_1 > threshold) if evidence.source_is_template else None,
        "mean_face": _mean(evidence.floor_similarity > threshold),
        "stranger": _mean(evidence.strangers > threshold) if len(evidence.second) > 1 else None,
        "ceiling": _mean(evidence.ceiling > threshold),
    }


def _mean(values: Array | NDArray[np.bool_]) -> dict[str, Any]:
    """Return the estimate over (people,) or (people, samples) values, as JSON."""
    rows = np.repeat(np.arange(len(values)), values[0].size)
    return asdict(estimate(values.ravel(), rows))


def _rank(evidence: VerifierEvidence) -> dict[str, Any]:
    """Return rank-1 and rank-5 in a gallery with one photograph of everybody, attacked or not."""
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


def _robustness(evidence: VerifierEvidence, thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Return the shares accepted by Type II after each transform, by false match rate."""
    found = {}
    for name, embeddings in evidence.transformed.items():
        similarities = similarity(embeddings, evidence.second[:, None], evidence.metric)
        found[name] = {fmr: _mean(similarities > threshold) for fmr, threshold in thresholds.items()}
    return found


def _curve(evidence: VerifierEvidence, nonmated: Array) -> list[dict[str, float]]:
    """Return SAR against FMR with its interval, at the rates that the comparisons support."""
    points = [
        entry.point for entry in calibrate(np.zeros(1), nonmated, CURVE_FMRS) if entry.point is not None
    ]
    if not points:
        return []
    accepted = evidence.type_2[:, :, None] > np.array([point.threshold for point in points])
    means = accepted.mean(1)
    low, high = share_intervals(means)
    return [
        {"fmr": point.fmr, "sar": float(value), "low": float(below), "high": float(above)}
        for point, value, below, above in zip(points, means.mean(0), low, high, strict=True)
    ]


def _roc(evidence: VerifierEvidence, mated: Array, nonmated: Array) -> list[dict[str, float]]:
    """Return TAR against FMR of the calibration's real photographs."""
    if not len(mated) or not len(nonmated):
        return []
    rates = [rate for rate in (*CURVE_FMRS, 0.2, 0.5, 1.0) if rate * len(nonmated) >= 1]
    curve = tar_at_rates(mated, nonmated, rates)
    return [{"fmr": rate, "tar": tar} for rate, tar in zip(rates, curve, strict=True)]


def _histogram(evidence: VerifierEvidence, nonmated: Array) -> dict[str, Any]:
    """Return shares of similarities in equal bins: strangers, reconstructions, real photographs."""
    kinds = {"nonmated": nonmated, "attack": evidence.type_2.ravel(), "ceiling": evidence.ceiling}
    kinds = {name: values for name, values in kinds.items() if len(values)}
    low, high = (
        float(end) for end in (min(v.min() for v in kinds.values()), max(v.max() for v in kinds.values()))
    )
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1)
    return {"edges": edges.tolist()} | {
        name: (np.histogram(values, edges)[0] / len(values)).tolist() for name, values in kinds.items()
    }


def risks(evidence: VerifierEvidence, nonmated: Array) -> Array:
    """Return how often a stranger's photograph is as similar to each person, (people,).

    It is the geometric mean over samples.
    """
    rates = stranger_rates(evidence.type_2, nonmated)
    return np.asarray(np.exp(np.log(rates).mean(1)))


def attacked_gap(
    attacked: VerifierEvidence,
    attacked_evaluation: Evaluation,
    judge: VerifierEvidence,
    evaluation: Evaluation,
) -> dict[str, Any]:
    """Return SAR by the attacked network minus SAR by a judge, by false match rate, with its interval.

    It shows by how much an audit that trusted the attacked network would mislead.
    """
    found = {}
    own, other = attacked_evaluation.thresholds, evaluation.thresholds
    for fmr in own:
        if fmr in other:
            difference = (attacked.type_2 > own[fmr]).mean(1) - (judge.type_2 > other[fmr]).mean(1)
            found[fmr] = asdict(estimate(difference, np.arange(len(difference))))
    return found
