"""What one verifier's embeddings show: arrays in, a JSON object of figures out.

SAR is the share of reconstructions that a verifier accepts (success accept rate), FMR the false match rate at
its threshold, TAR the true accept rate of real photographs. Type I compares a reconstruction with the very
photograph that the template came from, Type II with another photograph of the person.

Of several reconstructions of a person, SAR counts each; best-of-N counts the one that is most similar to the
target in the attacked network, which an attacker would choose, and any-of-N counts a person as met if any of
them is accepted, as by a system that allows N attempts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.metrics import (
    Calibrated,
    Comparisons,
    calibrate,
    compare_all,
    ranks,
    stranger_rates,
    supported,
    tar_at_rates,
)
from arcinvert.evaluation.scores import gap_closed
from arcinvert.evaluation.similarity import Array, Metric, similarity, similarity_matrix
from recognition.metrics.intervals import Estimate, estimate, estimate_share_difference
from recognition.metrics.thresholds import (
    AcceptedShare,
    DecisionThreshold,
    Nonmated,
    accepted_difference,
    accepted_share,
    estimate_acceptance,
)

#: False match rates of the curves.
CURVE_FMRS = tuple(float(rate) for rate in np.logspace(-4, -1, 25))
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
        chosen: Shape (people,), the index of each person's sample that is most similar to the target in the
            attacked network; None takes the first.
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
    shipped: tuple[DecisionThreshold, ...] = ()
    chosen: NDArray[np.integer] | None = None

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
    def best(self) -> Array:
        """Similarities, (people,), of each person's chosen sample to the other photograph."""
        people = np.arange(len(self.second))
        return np.asarray(self.type_2[people, 0 if self.chosen is None else self.chosen])

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
    thresholds: dict[str, DecisionThreshold]
    nonmated: Array


def evaluate_verifier(evidence: VerifierEvidence, fmrs: Sequence[float]) -> Evaluation:
    """Return every figure of one verifier.

    Args:
        evidence: Its embeddings.
        fmrs: False match rates at which acceptance is reported.
    """
    compared = compare_all(evidence.calibration, evidence.calibration, evidence.labels, evidence.metric)
    nonmated = compared.nonmated.similarities
    calibrated = calibrate(compared.nonmated, fmrs, evidence.shipped)
    strangers = nonmated if len(evidence.labels) else _among_attacked(evidence)
    thresholds = {f"{one.fmr:g}": one.threshold for one in calibrated if one.threshold is not None}
    similarities = {
        "type_2": _mean(evidence.type_2),
        "type_1": _mean(evidence.type_1) if evidence.source_is_template else None,
        "floor": _mean(evidence.floor_similarity),
        "ceiling": _mean(evidence.ceiling),
    }
    figures = {
        "calibration": {
            "identities": len(np.unique(evidence.labels)),
            "photographs": len(evidence.labels),
            "mated": len(compared.mated),
            "nonmated": len(nonmated),
            "alike": _alike(compared, evidence),
            "alike_attacked": _alike_attacked(compared, evidence),
        },
        "thresholds": [_described(entry, compared) for entry in calibrated],
        "sar": {fmr: _acceptance(evidence, threshold) for fmr, threshold in thresholds.items()},
        "similarities": similarities,
        "gap_closed": gap_figure(
            gap_closed(evidence.type_2.mean(1), evidence.floor_similarity, evidence.ceiling)
        ),
        "rank": _rank(evidence),
        "robustness": _robustness(evidence, thresholds),
        "curve": _curve(evidence, compared.nonmated),
        "roc": _roc(compared),
        "histogram": _histogram(evidence, strangers),
    }
    return Evaluation(figures, thresholds, strangers)


def _among_attacked(evidence: VerifierEvidence) -> Array:
    """Return similarities of photographs of different attacked people, where there are no other people."""
    people = np.tile(np.arange(len(evidence.second)), 2)
    photographs = np.concatenate([evidence.source, evidence.second])
    return compare_all(photographs, photographs, people, evidence.metric).nonmated.similarities


def _alike(compared: Comparisons, evidence: VerifierEvidence) -> int:
    """Return how many pairs of people outside are more similar than half of the pairs of one person."""
    nonmated = compared.nonmated
    above = nonmated.similarities > _typical(compared, evidence)
    ends = np.sort(np.stack([nonmated.first[above], nonmated.second[above]]), axis=0)
    return len(np.unique(ends, axis=1).T)


def _alike_attacked(compared: Comparisons, evidence: VerifierEvidence) -> int:
    """Return how many pairs of somebody attacked and somebody outside are as similar as `_alike` counts."""
    if not len(evidence.labels):
        return 0
    typical = _typical(compared, evidence)
    pairs: set[tuple[int, int]] = set()
    for photographs in (evidence.source, evidence.second):
        above = similarity_matrix(photographs, evidence.calibration, evidence.metric) > typical
        attacked, outside = np.nonzero(above)
        pairs.update(zip(attacked.tolist(), evidence.labels[outside].tolist(), strict=True))
    return len(pairs)


def _typical(compared: Comparisons, evidence: VerifierEvidence) -> float:
    """Return the median similarity of two photographs of one person."""
    return float(np.median(np.concatenate([compared.mated, evidence.ceiling])))


def gap_figure(gap: Estimate | None) -> dict[str, Any] | None:
    """Return the share of the gap that is closed as JSON; None if there is no gap."""
    return None if gap is None else asdict(gap)


def _described(entry: Calibrated, compared: Comparisons) -> dict[str, Any]:
    """Return a threshold with the error rates at it of real photographs of the people outside the attack."""
    threshold = entry.threshold
    realised = tar = None
    if threshold is not None:
        if len(compared.nonmated.similarities):
            realised = asdict(compared.nonmated.fmr(threshold.value))
        if len(compared.mated):
            tar = asdict(estimate_acceptance(compared.mated, compared.owners, threshold))
    return {
        "fmr": entry.fmr,
        "refused": entry.refused,
        "source": entry.source,
        "identities": None if threshold is None else threshold.identities,
        "threshold": None if threshold is None else threshold.value,
        "threshold_low": None if threshold is None else threshold.low,
        "threshold_high": None if threshold is None else threshold.high,
        "realised_fmr": realised,
        "tar": tar,
    }


def _acceptance(evidence: VerifierEvidence, threshold: DecisionThreshold) -> dict[str, Any]:
    """Return the shares accepted of the attack, of its floors and of its ceiling."""
    several = evidence.type_2.shape[1] > 1
    others = len(evidence.second) > 1
    attack = _share(evidence.type_2, threshold)
    above_floor = share_difference(evidence.type_2, evidence.floor_similarity[:, None], threshold)
    return {
        "type_2": accepted(evidence.type_2, threshold),
        "type_2_at_ends": {"low": attack.low, "high": attack.high},
        "type_1": accepted(evidence.type_1, threshold) if evidence.source_is_template else None,
        "best_of_n": accepted(evidence.best, threshold) if several else None,
        "any_of_n": accepted(evidence.type_2.max(1), threshold) if several else None,
        "mean_face": accepted(evidence.floor_similarity, threshold),
        "above_mean_face": asdict(above_floor),
        "stranger": accepted(evidence.strangers, threshold) if others else None,
        "stranger_any_of_n": accepted(evidence.strangers.max(1), threshold) if several and others else None,
        "ceiling": accepted(evidence.ceiling, threshold),
    }


def accepted(similarities: Array, threshold: DecisionThreshold) -> dict[str, Any]:
    """Return the share accepted of (people,) or (people, samples) similarities, as JSON."""
    rows = np.repeat(np.arange(len(similarities)), similarities[0].size)
    return asdict(estimate_acceptance(similarities.ravel(), rows, threshold))


def _share(similarities: Array, threshold: DecisionThreshold) -> AcceptedShare:
    """Return the share accepted of (people,) or (people, samples) similarities, at a threshold's ends too."""
    rows = np.repeat(np.arange(len(similarities)), similarities[0].size)
    return accepted_share(similarities.ravel(), rows, threshold)


def share_difference(
    after: Array, before: Array, threshold: DecisionThreshold, of_before: DecisionThreshold | None = None
) -> Estimate:
    """Return the share accepted less that of others, paired by person, with the thresholds' uncertainty.

    Args:
        after: Similarities, shape (people, samples).
        before: The same of the same people, which are subtracted; the number of samples may differ.
        threshold: What both are compared with.
        of_before: Another threshold that `before` is compared with.
    """
    other = threshold if of_before is None else of_before
    own = estimate_share_difference((after > threshold.value).mean(1), (before > other.value).mean(1))
    shares = _share(after, threshold), _share(before, other)
    return accepted_difference(own, *shares, one_threshold=of_before is None)


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


def _robustness(evidence: VerifierEvidence, thresholds: Mapping[str, DecisionThreshold]) -> dict[str, Any]:
    """Return the shares accepted by Type II after each transform, by false match rate."""
    found = {}
    for name, embeddings in evidence.transformed.items():
        similarities = similarity(embeddings, evidence.second[:, None], evidence.metric)
        found[name] = {fmr: accepted(similarities, threshold) for fmr, threshold in thresholds.items()}
    return found


def _curve(evidence: VerifierEvidence, nonmated: Nonmated) -> list[dict[str, float]]:
    """Return SAR against FMR with its interval, at the rates that there are enough people for."""
    points = []
    for fmr in supported(nonmated, CURVE_FMRS):
        figure = accepted(evidence.type_2, nonmated.threshold(fmr))
        points.append({"fmr": fmr, "sar": figure["value"], "low": figure["low"], "high": figure["high"]})
    return points


def _roc(compared: Comparisons) -> list[dict[str, float]]:
    """Return TAR against FMR of the calibration's real photographs."""
    nonmated = compared.nonmated.similarities
    if not len(compared.mated) or not len(nonmated):
        return []
    rates = supported(compared.nonmated, (*CURVE_FMRS, 0.2, 0.5, 1.0))
    curve = tar_at_rates(compared.mated, nonmated, rates)
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
    own, other = attacked_evaluation.thresholds, evaluation.thresholds
    return {
        fmr: asdict(share_difference(attacked.type_2, judge.type_2, own[fmr], other[fmr]))
        for fmr in own
        if fmr in other
    }
