"""Verification: similarities of pairs to accuracy, and to the true accept rate at a false match rate.

Abbreviations: FMR or FAR, false match (accept) rate; TAR, true accept rate; FRR, false reject rate, 1 - TAR;
ROC, receiver operating characteristic; EER, equal error rate, where FAR = FRR.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InputError
from recognition.metrics.accuracy import ten_fold_accuracy
from recognition.metrics.finite import check_finite
from recognition.metrics.intervals import Estimate
from recognition.metrics.similarities import NonmatedHistogram, count_nonmated, pair_similarities
from recognition.metrics.thresholds import (
    DecisionThreshold,
    Nonmated,
    allowed_above,
    cross_comparisons,
    estimate_acceptance,
    estimate_fmr,
    fewest_people,
    ranked_threshold,
    require_people,
)

Array = NDArray[np.floating]
#: Most mated pairs of one identity; without a limit, half of LFW's would be of George W. Bush.
PAIRS_PER_IDENTITY = 10
#: The false match rates that are reported by default.
FMRS = (1e-2, 1e-3)
#: Most nonmated pairs whose similarities are kept in memory, about those of 6,000 images. Of more, there is a
#: histogram: the operating points stay exact, the curve has a point for each of its bins.
MAX_KEPT_PAIRS = 20_000_000


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold on similarity and the rates at it.

    Args:
        threshold: Similarity above which a comparison is accepted.
        fmr: The false match rate that the threshold is for.
        realised_fmr: The share of nonmated comparisons above the threshold.
        tar: The share of mated comparisons above the threshold.
        mated: Number of mated comparisons.
        nonmated: Number of nonmated comparisons.
        threshold_low: Lower end of the threshold's 95 % interval over people; None if it is not computed.
        threshold_high: Upper end of it.
    """

    threshold: float
    fmr: float
    realised_fmr: float
    tar: float
    mated: int
    nonmated: int
    threshold_low: float | None = None
    threshold_high: float | None = None

    @property
    def decision(self) -> DecisionThreshold:
        """The threshold with its interval, which has no width if it is not computed."""
        low = self.threshold if self.threshold_low is None else self.threshold_low
        high = self.threshold if self.threshold_high is None else self.threshold_high
        return DecisionThreshold(self.fmr, self.threshold, low, high)

    @property
    def frr(self) -> float:
        """False reject rate: the share of mated comparisons that are rejected."""
        return 1 - self.tar


@dataclass(frozen=True)
class Roc:
    """False accept and false reject rates at every threshold that changes them.

    Args:
        thresholds: Shape (points,), falling.
        far: Shape (points,), false accept rates.
        frr: Shape (points,), false reject rates.
    """

    thresholds: NDArray[np.float64]
    far: NDArray[np.float64]
    frr: NDArray[np.float64]


def roc(mated: Array, nonmated: Array) -> Roc:
    """Return the receiver operating characteristic; a comparison is accepted above the threshold.

    Args:
        mated: Shape (comparisons,), similarities of pairs of one identity.
        nonmated: Shape (comparisons,), similarities of pairs of two identities.

    Raises:
        InputError: If there are no comparisons of one kind, or a similarity is not a number.
    """
    if not len(mated) or not len(nonmated):
        raise InputError(
            f"ROC: expected mated and nonmated comparisons, got {len(mated)} and {len(nonmated)}"
        )
    check_finite("similarities", mated, nonmated)
    mated, nonmated = np.sort(mated.astype(np.float64)), np.sort(nonmated.astype(np.float64))
    thresholds = np.unique(np.concatenate([mated, nonmated]))[::-1]
    # Just below the lowest similarity, all are accepted.
    thresholds = np.append(thresholds, np.nextafter(thresholds[-1], -np.inf))
    far = 1 - np.searchsorted(nonmated, thresholds, side="right") / len(nonmated)
    frr = np.searchsorted(mated, thresholds, side="right") / len(mated)
    return Roc(thresholds, far, frr)


def histogram_roc(mated: Array, nonmated: NonmatedHistogram) -> Roc:
    """Return the receiver operating characteristic at the edges of a histogram's bins.

    The rates are exact. Bins without a similarity of either kind have no point.

    Args:
        mated: Shape (comparisons,), similarities of pairs of one identity.
        nonmated: The similarities of pairs of two identities.
    """
    thresholds, far = nonmated.thresholds()[::-1], nonmated.far()[::-1]
    frr = np.searchsorted(np.sort(mated.astype(np.float64)), thresholds, side="right") / len(mated)
    # The last point before a change and the first one after it, so that rates are never interpolated across.
    changes = (np.diff(far) != 0) | (np.diff(frr) != 0)
    kept = np.append(changes, False) | np.append(False, changes)
    return Roc(thresholds[kept], far[kept], frr[kept])


def histogram_points(
    mated: Array, nonmated: NonmatedHistogram, fmrs: tuple[float, ...]
) -> tuple[OperatingPoint, ...]:
    """Return what `tar_at_fmr` does for each rate, of a histogram of the nonmated similarities."""
    thresholds = nonmated.ranks([allowed_above(nonmated.pairs, fmr) for fmr in fmrs])
    return tuple(
        OperatingPoint(
            threshold=threshold.value,
            fmr=fmr,
            realised_fmr=threshold.above / nonmated.pairs,
            tar=float((mated > threshold.value).mean()),
            mated=len(mated),
            nonmated=nonmated.pairs,
        )
        for fmr, threshold in zip(fmrs, thresholds, strict=True)
    )


def _with_interval(point: OperatingPoint, histogram: NonmatedHistogram, found: Estimate) -> OperatingPoint:
    """Return an operating point with the interval of its threshold."""
    threshold = ranked_threshold(histogram, point.fmr, point.threshold, found)
    return replace(point, threshold_low=threshold.low, threshold_high=threshold.high)


def equal_error_rate(curve: Roc) -> tuple[float, float]:
    """Return the rate at which FAR = FRR and its threshold, interpolated linearly between two thresholds."""
    difference = curve.far - curve.frr
    after = int(np.argmax(difference >= 0))
    if difference[after] == 0 or after == 0:
        return float(curve.far[after]), float(curve.thresholds[after])
    before = after - 1
    share = -difference[before] / (difference[after] - difference[before])
    rate = curve.far[before] + share * (curve.far[after] - curve.far[before])
    threshold = curve.thresholds[before] + share * (curve.thresholds[after] - curve.thresholds[before])
    return float(rate), float(threshold)


def tar_at_fmr(mated: Array, nonmated: Nonmated, fmr: float) -> OperatingPoint:
    """Return the true accept rate at the threshold of a false match rate.

    Args:
        mated: Shape (comparisons,), similarities of pairs of one identity.
        nonmated: Comparisons of two identities.
        fmr: False match rate.

    Raises:
        InputError: If there are too few people for it, see `require_people`, or a similarity is not a number.
    """
    check_finite("similarities", mated)
    threshold = nonmated.threshold(fmr)
    return OperatingPoint(
        threshold=threshold.value,
        fmr=fmr,
        realised_fmr=float((nonmated.similarities > threshold.value).mean()),
        tar=float((mated > threshold.value).mean()),
        mated=len(mated),
        nonmated=len(nonmated.similarities),
        threshold_low=threshold.low,
        threshold_high=threshold.high,
    )


@dataclass(frozen=True)
class Pairs:
    """Pairs of images.

    Args:
        indices: Shape (pairs, 2), indices of the images.
        mated: Shape (pairs,), whether a pair shows one person.
        folds: Shape (pairs,), the fold of each pair.
    """

    indices: NDArray[np.int64]
    mated: NDArray[np.bool_]
    folds: NDArray[np.int64]


def make_pairs(labels: NDArray[np.integer], *, folds: int = 10, seed: int = 0) -> Pairs:
    """Return as many mated as nonmated pairs in each fold; no two folds share an identity.

    Args:
        labels: Shape (images,), identities.
        folds: Number of folds.
        seed: Seed of the choice.

    Raises:
        InputError: If fewer than `folds` identities have two images, or there are fewer than two identities
            per fold.
    """
    generator = np.random.default_rng(seed)
    identities = generator.permutation(np.unique(labels))
    images = _images_of(labels)
    multiple = [name for name in identities if len(images[name]) >= 2]
    if len(multiple) < folds or len(identities) < 2 * folds:
        raise InputError(
            f"pairs: expected at least {folds} identities with two images, got {len(multiple)}, and "
            f"{2 * folds} identities in all, got {len(identities)}; hold out more identities"
        )
    # Identities with mated pairs are assigned first, so that every fold has as many of them.
    fold_of = {name: index % folds for index, name in enumerate(multiple)}
    rest = (name for name in identities if name not in fold_of)
    fold_of |= {name: index % folds for index, name in enumerate(rest, len(multiple))}
    indices, mated, fold_ids = [], [], []
    image_folds = np.array([fold_of[label] for label in labels])
    for fold in range(folds):
        inside = np.flatnonzero(image_folds == fold)
        same = [pair for name in np.unique(labels[inside]) for pair in _mated_pairs(images[name], generator)]
        sizes = np.unique(labels[inside], return_counts=True)[1]
        crosses = (len(inside) ** 2 - int((sizes**2).sum())) // 2
        if crosses < len(same):
            same = [same[index] for index in np.sort(generator.choice(len(same), crosses, replace=False))]
        different: set[tuple[int, int]] = set()
        while len(different) < len(same):
            first, second = sorted(generator.choice(inside, 2, replace=False).tolist())
            if labels[first] != labels[second]:
                different.add((first, second))
        indices += same + sorted(different)
        mated += [True] * len(same) + [False] * len(different)
        fold_ids += [fold] * (len(same) + len(different))
    return Pairs(np.array(indices), np.array(mated), np.array(fold_ids))


def _images_of(labels: NDArray[np.integer]) -> dict[int, NDArray[np.int64]]:
    """Return the indices of each identity's images, rising."""
    order = np.argsort(labels, kind="stable")
    names, begins = np.unique(labels[order], return_index=True)
    return dict(zip(names.tolist(), np.split(order, begins[1:]), strict=True))


def _mated_pairs(images: NDArray[np.int64], generator: np.random.Generator) -> list[tuple[int, int]]:
    # Where the pairs of each first image begin among all of them; they are never listed.
    starts = np.concatenate([[0], np.cumsum(np.arange(len(images) - 1, 0, -1))])
    count = int(starts[-1])
    if count > PAIRS_PER_IDENTITY:
        chosen = np.sort(generator.choice(count, PAIRS_PER_IDENTITY, replace=False))
    else:
        chosen = np.arange(count)
    first = np.searchsorted(starts, chosen, side="right") - 1
    second = chosen - starts[first] + first + 1
    return list(zip(images[first].tolist(), images[second].tolist(), strict=True))


@dataclass(frozen=True)
class Verification:
    """Verification metrics of a recogniser on labelled embeddings.

    Args:
        accuracy: Mean pair accuracy over ten folds.
        accuracy_std: Its standard deviation over folds.
        pairs: Number of pairs.
        identities: Number of identities.
        images: Number of images.
        points: Operating points, one per false match rate.
        mated: Number of mated comparisons.
        nonmated: Number of nonmated comparisons.
        eer: Equal error rate.
        curve: The receiver operating characteristic.
        tar_estimates: The true accept rate at each point with its interval; empty if not asked for.
        fmr_estimates: The realised false match rate likewise.
    """

    accuracy: float
    accuracy_std: float
    pairs: int
    identities: int
    images: int
    points: tuple[OperatingPoint, ...]
    mated: int
    nonmated: int
    eer: float
    curve: Roc
    tar_estimates: tuple[Estimate, ...] = ()
    fmr_estimates: tuple[Estimate, ...] = ()


def verify(
    embeddings: Array,
    labels: NDArray[np.integer],
    *,
    fmrs: tuple[float, ...] | None = None,
    pairs: Pairs | None = None,
    seed: int = 0,
    intervals: bool = False,
) -> Verification:
    """Return pair accuracy over ten folds, and the true accept rate against all pairs of two identities.

    Args:
        embeddings: Shape (images, dim), unit norm.
        labels: Shape (images,), identities.
        fmrs: False match rates of the operating points; None takes those of `FMRS` that there are enough
            people for.
        pairs: Pairs in folds, made of the labels by default. The true accept rate is of its mated pairs.
        seed: Seed of the pairs.
        intervals: Whether to compute 95 % intervals over identities.

    Raises:
        InputError: If there are too few identities or comparisons, or an embedding is not of finite numbers.
    """
    check_finite("embeddings", embeddings)
    pairs = make_pairs(labels, seed=seed) if pairs is None else pairs
    similarities = pair_similarities(embeddings, pairs.indices)
    accuracy, deviation = ten_fold_accuracy(similarities, pairs.mated, pairs.folds)
    mated = similarities[pairs.mated]
    people = len(np.unique(labels))
    if fmrs is None:
        fmrs = tuple(fmr for fmr in FMRS if people >= fewest_people(fmr))
    for fmr in fmrs:
        require_people(fmr, people)
    kept: Nonmated | NonmatedHistogram
    if count_nonmated(labels) <= MAX_KEPT_PAIRS:
        kept = cross_comparisons(embeddings, labels)
        points = tuple(tar_at_fmr(mated, kept, fmr) for fmr in fmrs)
        curve = roc(mated, kept.similarities)
    else:
        kept = NonmatedHistogram(embeddings, labels)
        points = histogram_points(mated, kept, fmrs)
        curve = histogram_roc(mated, kept)
    tar_estimates: list[Estimate] = []
    fmr_estimates: list[Estimate] = []
    if intervals:
        owners = labels[pairs.indices[pairs.mated, 0]]
        fmr_estimates = [estimate_fmr(embeddings, labels, point.threshold) for point in points]
        if isinstance(kept, NonmatedHistogram):
            pairs_of = zip(points, fmr_estimates, strict=True)
            points = tuple(_with_interval(point, kept, found) for point, found in pairs_of)
        tar_estimates = [estimate_acceptance(mated, owners, point.decision, pooled=True) for point in points]
    return Verification(
        accuracy=accuracy,
        accuracy_std=deviation,
        pairs=len(similarities),
        identities=len(np.unique(labels)),
        images=len(labels),
        points=points,
        mated=len(mated),
        nonmated=count_nonmated(labels),
        eer=equal_error_rate(curve)[0],
        curve=curve,
        tar_estimates=tuple(tar_estimates),
        fmr_estimates=tuple(fmr_estimates),
    )


def describe_verification(metrics: Verification) -> dict[str, Any]:
    """Return the metrics as a flat JSON object."""
    described: dict[str, Any] = {
        "accuracy": round(metrics.accuracy, 5),
        "accuracy_std": round(metrics.accuracy_std, 5),
        "pairs": metrics.pairs,
        "identities": metrics.identities,
        "eer": round(metrics.eer, 5),
    }
    for index, point in enumerate(metrics.points):
        described[f"tar_at_fmr_{point.fmr:g}"] = round(point.tar, 5)
        described[f"realised_fmr_{point.fmr:g}"] = round(point.realised_fmr, 6)
        if metrics.tar_estimates:
            tar, fmr = metrics.tar_estimates[index], metrics.fmr_estimates[index]
            described[f"tar_interval_{point.fmr:g}"] = [round(tar.low, 5), round(tar.high, 5)]
            described[f"fmr_interval_{point.fmr:g}"] = [round(fmr.low, 6), round(fmr.high, 6)]
    return described | {"mated": metrics.mated, "nonmated": metrics.nonmated}
