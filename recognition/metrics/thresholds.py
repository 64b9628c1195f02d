"""Thresholds by false match rate (FMR): how many people a rate takes, and how certain a threshold is.

Comparisons of the same people are dependent, so people decide what can be claimed, and not pairs of images.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from recognition.errors import InputError
from recognition.metrics.finite import check_finite
from recognition.metrics.intervals import Estimate, Identities, estimate, identity_means
from recognition.metrics.shares import CONFIDENCE, exact_interval, student_quantile
from recognition.metrics.similarities import NonmatedHistogram, count_nonmated, nonmated_similarities

Array = NDArray[np.floating[Any]]

#: How many pairs of two people, one comparison each, must be expected to match falsely. With ten, the rate
#: that the threshold has on other people is at most twice the one claimed in 95 of 100 calibrations, where
#: people are of a dozen groups that resemble each other moderately, and in 80 to 90 of 100 where large groups
#: resemble each other strongly; tests/recognition/metrics/test_thresholds.py simulates both. Three, as the
#: rule of three for independent comparisons asks, exceed it in 10 to 20 of 100 of the former.
FALSE_MATCHES = 10


@dataclass(frozen=True)
class DecisionThreshold:
    """A threshold on similarity, with its 95 % interval over the people that it was calibrated on.

    Args:
        fmr: The false match rate that it is for.
        value: Comparisons of a greater similarity are accepted.
        low: Lower end of the interval.
        high: Upper end of the interval.
        identities: How many people it was calibrated on; None if that is not known.
    """

    fmr: float
    value: float
    low: float
    high: float
    identities: int | None = None


@dataclass(frozen=True)
class AcceptedShare:
    """A share accepted at a threshold, and at both ends of the threshold's interval.

    Args:
        value: The share at the threshold.
        low: The share at the upper end of the threshold's interval.
        high: The share at the lower end of it.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Nonmated:
    """Similarities of all pairs of images of two people.

    Args:
        similarities: Shape (pairs,).
        first: Shape (pairs,), the index of one image's person, in [0, people).
        second: Shape (pairs,), the index of the other image's person.
        images: Shape (people,), how many images there are of each.
    """

    similarities: Array
    first: NDArray[np.integer[Any]]
    second: NDArray[np.integer[Any]]
    images: NDArray[np.integer[Any]]

    @property
    def people(self) -> int:
        """How many people there are."""
        return len(self.images)

    def threshold(self, fmr: float) -> DecisionThreshold:
        """Return the threshold of a false match rate.

        Raises:
            InputError: If the rate is no fraction, or there are too few people for it.
        """
        require_people(fmr, self.people)
        return find_threshold(self.similarities, fmr, self.fmr)[0]

    def fmr(self, threshold: float) -> Estimate:
        """Return the share of pairs above a threshold, with its interval over people.

        The interval is exact for as many independent comparisons as would be as certain. The variance
        allows pairs with a person in common to depend on each other (Fafchamps and Gubert, Journal of
        Development Economics 83(2), 2007, eq. 2.4).
        """
        above = self.similarities > threshold
        one, other = self.first[above].astype(np.int64), self.second[above].astype(np.int64)
        pair, matches = np.unique(
            np.minimum(one, other) * self.people + np.maximum(one, other), return_counts=True
        )
        ends = np.divmod(pair, max(self.people, 1))
        return _estimate_rate(ends, matches, self.images, len(self.similarities))


def find_threshold(
    similarities: Array, fmr: float, rate_at: Callable[[float], Estimate]
) -> tuple[DecisionThreshold, Estimate]:
    """Return the threshold of a false match rate, and the rate that it realises.

    The threshold's interval is that of the rate, as similarities (Woodruff, Journal of the American
    Statistical Association 47, 1952).

    Args:
        similarities: Shape (comparisons,), of images of two people.
        fmr: The false match rate.
        rate_at: Returns the rate at a threshold, with its interval over people.
    """
    value = threshold_at_rate(similarities, fmr)
    realised = rate_at(value)
    low, high = (threshold_at_rate(similarities, rate) for rate in (realised.high, realised.low))
    threshold = DecisionThreshold(fmr, value, min(low, value), max(high, value), realised.identities)
    return threshold, realised


def cross_comparisons(embeddings: Array, labels: NDArray[np.integer[Any]]) -> Nonmated:
    """Return all pairs of images of two identities.

    Args:
        embeddings: Shape (images, dim), unit norm.
        labels: Shape (images,), identities.
    """
    _, person, images = np.unique(labels, return_inverse=True, return_counts=True)
    others = [person[row + 1 :][person[row + 1 :] != person[row]] for row in range(len(labels))]
    first = np.repeat(person, [len(part) for part in others])
    return Nonmated(nonmated_similarities(embeddings, labels), first, np.concatenate(others), images)


def estimate_fmr(embeddings: Array, labels: NDArray[np.integer[Any]], threshold: float) -> Estimate:
    """Return what `Nonmated.fmr` does, without keeping the similarities of all pairs.

    Args:
        embeddings: Shape (images, dim), unit norm.
        labels: Shape (images,), the identity of each.
        threshold: Pairs with a greater cosine are accepted.

    Raises:
        InputError: If an embedding is not of finite numbers.
    """
    check_finite("embeddings", embeddings)
    _, place, images = np.unique(labels, return_inverse=True, return_counts=True)
    order = np.argsort(place, kind="stable")
    place, ordered = place[order], embeddings[order]
    firsts = np.flatnonzero(np.diff(place, prepend=-1))
    accepted = np.zeros((len(images), len(images)), np.int64)
    for person, begin in enumerate(firsts):
        own = ordered[begin : begin + images[person]]
        accepted[person] = np.add.reduceat((own @ ordered.T > threshold).sum(0), firsts)
    ends = np.nonzero(np.triu(accepted, 1))
    return _estimate_rate(ends, accepted[ends], images, count_nonmated(labels))


def ranked_threshold(
    histogram: NonmatedHistogram, fmr: float, value: float, realised: Estimate
) -> DecisionThreshold:
    """Return a threshold with its interval, as `Nonmated.threshold` does, of a histogram of all pairs.

    Args:
        histogram: The similarities of all pairs of two people.
        fmr: The false match rate that the threshold is for.
        value: The threshold.
        realised: The false match rate at it.
    """
    last = histogram.pairs - 1
    ranks = [min(allowed_above(histogram.pairs, rate), last) for rate in (realised.high, realised.low)]
    low, high = (ranked.value for ranked in histogram.ranks(ranks))
    return DecisionThreshold(fmr, value, min(low, value), max(high, value), realised.identities)


def _estimate_rate(
    ends: tuple[NDArray[np.integer[Any]], ...],
    matches: NDArray[np.integer[Any]],
    images: NDArray[np.integer[Any]],
    comparisons: int,
) -> Estimate:
    """Return a false match rate with its interval over people; see `Nonmated.fmr`.

    Args:
        ends: Two arrays of shape (pairs,), the people of each pair of people with a false match.
        matches: Shape (pairs,), the number of false matches of each.
        images: Shape (people,), how many images there are of each person.
        comparisons: How many comparisons there are of two people.
    """
    people, counts = len(images), images.astype(np.float64)
    rate = float(matches.sum()) / comparisons if comparisons else 0.0
    of_person = np.bincount(np.concatenate(ends), np.tile(matches, 2), minlength=people)
    # By how much each person's false matches, and each pair's, exceed what the rate expects of them.
    excess = of_person - rate * counts * (counts.sum() - counts)
    products = counts[ends[0]] * counts[ends[1]]
    squares_of_products = ((counts**2).sum() ** 2 - (counts**4).sum()) / 2
    by_pair = float(
        (matches**2).sum() - 2 * rate * (matches * products).sum() + rate**2 * squares_of_products
    )
    by_person = float((excess**2).sum()) - by_pair
    return estimate_rate(
        rate, comparisons, people, design=squares_of_products, by_pair=by_pair, by_person=by_person
    )


def estimate_rate(
    rate: float, comparisons: int, people: int, *, design: float, by_pair: float, by_person: float
) -> Estimate:
    """Return a rate of accepted comparisons with its interval over people.

    The interval is exact for as many independent comparisons as would be as certain; their number follows
    from the variance where one can be measured, and else from the design, as if the comparisons of two people
    were all alike.

    Args:
        rate: The share accepted.
        comparisons: How many there are.
        people: How many people they are of.
        design: The sum over pairs of people of the square of how many comparisons each has.
        by_pair: The sum over pairs of people of the square of what they exceed the expected count by.
        by_person: The same of people, less `by_pair`: comparisons with a person in common depend on each
            other (Fafchamps and Gubert, Journal of Development Economics 83(2), 2007, eq. 2.4).
    """
    effective = comparisons**2 / max(design, 1.0)
    if 0 < rate < 1 and by_pair > 0:
        probability = 0.5 + CONFIDENCE / 2
        shrink = (ndtri(probability) / student_quantile(probability, max(1, people - 1))) ** 2
        effective = shrink * rate * (1 - rate) * comparisons**2 / max(by_pair, by_person)
    low, high = exact_interval(rate * effective, effective)
    return Estimate(rate, float(low), float(high), people, comparisons)


def fewest_people(fmr: float) -> int:
    """Return how many people a false match rate takes, so that enough of their pairs match falsely."""
    people = math.ceil(0.5 + math.sqrt(0.25 + 2 * FALSE_MATCHES / fmr) - 1e-9)
    return max(2, people)


def require_people(fmr: float, people: int) -> None:
    """Check that a false match rate may be claimed.

    Raises:
        InputError: If the rate is no fraction, or there are too few people for it.
    """
    if not 0 < fmr < 1:
        raise InputError(f"FMR: expected a fraction between 0 and 1, got {fmr}")
    if people < fewest_people(fmr):
        raise InputError(
            f"FMR {fmr:g}: expected at least {fewest_people(fmr):,} people, of whose pairs {FALSE_MATCHES} "
            f"match falsely, got {people:,}; use more people or a higher FMR"
        )


def allowed_above(comparisons: int, rate: float) -> int:
    """Return how many of the comparisons may exceed the threshold of a rate."""
    return math.floor(comparisons * rate + 1e-9)


def threshold_at_rate(similarities: Array, rate: float) -> float:
    """Return the lowest threshold that at most a share `rate` of the similarities exceeds.

    Args:
        similarities: Shape (n,), n from 1.
        rate: From 0 to 1; at 1, all similarities exceed the threshold.

    Raises:
        InputError: If a similarity is not a number.
    """
    check_finite("similarities", similarities)
    allowed = allowed_above(len(similarities), rate)
    if allowed >= len(similarities):
        return float(np.nextafter(similarities.min(), -np.inf))
    place = len(similarities) - allowed - 1
    return float(np.partition(similarities, place)[place])


def estimate_acceptance(
    similarities: ArrayLike, identities: Identities, threshold: DecisionThreshold, *, pooled: bool = False
) -> Estimate:
    """Return the share of similarities above a threshold, with an interval over both kinds of people.

    Those compared are a sample, and so are those whom the threshold was calibrated on: the reach of the
    share's own interval and the change of the share over the threshold's are combined by their squares.

    Args:
        similarities: Shape (comparisons,).
        identities: Shape (comparisons,), the identity of each.
        threshold: With its interval; a threshold without width gives the share's own interval.
        pooled: As in `estimate`.
    """
    own = estimate(np.asarray(similarities) > threshold.value, identities, pooled=pooled)
    if threshold.low == threshold.high:
        return own
    share = accepted_share(similarities, identities, threshold, pooled=pooled)
    return Estimate(
        own.value,
        max(0.0, own.value - math.hypot(own.value - own.low, own.value - share.low)),
        min(1.0, own.value + math.hypot(own.high - own.value, share.high - own.value)),
        own.identities,
        own.comparisons,
    )


def accepted_share(
    similarities: ArrayLike, identities: Identities, threshold: DecisionThreshold, *, pooled: bool = False
) -> AcceptedShare:
    """Return the share above a threshold, and above both ends of its interval.

    Args:
        similarities: Shape (comparisons,).
        identities: Shape (comparisons,), the identity of each.
        threshold: With its interval.
        pooled: As in `estimate`.
    """
    array, people = np.asarray(similarities, dtype=np.float64), np.asarray(identities)
    above = np.stack([array > end for end in (threshold.value, threshold.high, threshold.low)], axis=1)
    shares = above.mean(0) if pooled else identity_means(above, people).mean(0)
    return AcceptedShare(*map(float, shares))


def accepted_difference(
    own: Estimate, after: AcceptedShare, before: AcceptedShare, *, one_threshold: bool
) -> Estimate:
    """Return a difference of shares accepted with an interval that has the thresholds' uncertainty in it.

    The reach of the difference's own interval and its change over each threshold's interval are combined by
    their squares, as in `estimate_acceptance`. Thresholds that different networks calibrated on the same
    people, or one on some of the same people, are taken for independent ones: as far as they err alike, the
    interval is too wide.

    Args:
        own: The difference with its interval at the thresholds as they are, such as that of
            `estimate_share_difference`.
        after: The first share.
        before: The share that is subtracted.
        one_threshold: Whether both are accepted at one threshold, which then errs in both alike.
    """
    down, up = [own.value - own.low], [own.high - own.value]
    if one_threshold:
        changes = [after.low - before.low - own.value, after.high - before.high - own.value, 0.0]
        down.append(-min(changes))
        up.append(max(changes))
    else:
        down += [after.value - after.low, before.high - before.value]
        up += [after.high - after.value, before.value - before.low]
    low, high = own.value - math.hypot(*down), own.value + math.hypot(*up)
    return Estimate(own.value, max(-1.0, low), min(1.0, high), own.identities, own.comparisons)
