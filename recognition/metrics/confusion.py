"""Confusion matrices: of verification, same or different, and of identification, person by person.

Abbreviations: FPIR, false positive identification rate; FMR, false match rate; TAR, true accept rate.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InputError
from recognition.metrics.comparisons import Comparisons
from recognition.metrics.finite import check_finite
from recognition.metrics.identification import enrol_first, fnir_at_fpir, search
from recognition.metrics.intervals import Estimate, estimate

Array = NDArray[np.floating]


@dataclass(frozen=True)
class VerificationConfusion:
    """Verdicts on pairs at a threshold.

    Args:
        threshold: Similarity above which a pair is accepted.
        counts: Shape (2, 2): pairs of one person and pairs of two, by accepted and rejected.
        tar: Share of the pairs of one person that are accepted, with its interval over people.
        fmr: Share of the pairs of two people that are accepted, likewise.
    """

    threshold: float
    counts: NDArray[np.int64]
    tar: Estimate
    fmr: Estimate


def confuse_pairs(comparisons: Comparisons, threshold: float) -> VerificationConfusion:
    """Return the confusion matrix of verification at a threshold."""
    accepted, mated = comparisons.similarities > threshold, comparisons.pairs.mated
    counts = [[int((kind & verdict).sum()) for verdict in (accepted, ~accepted)] for kind in (mated, ~mated)]
    tar, fmr = comparisons.rates(threshold)
    return VerificationConfusion(threshold, np.array(counts), tar, fmr)


@dataclass(frozen=True)
class IdentificationConfusion:
    """Who is found for whom in an open-set search.

    Args:
        names: The people who have a row and a column of their own.
        counts: Shape (names + 2, names + 3). The rows are the probes of `names`, of all other enrolled people
            and of people who are not enrolled. The columns are those found: `names`, another enrolled person
            rightly, another enrolled person wrongly, and nobody.
        threshold: Similarity above which a probe is accepted.
        gallery: Number of people enrolled, by one image each.
        right: Share of the probes of enrolled people who are found, with its interval over people.
        wrong: Share of them for whom another person is found, likewise.
        strangers: Share of the probes of people who are not enrolled for whom somebody is found, likewise.
    """

    names: tuple[str, ...]
    counts: NDArray[np.int64]
    threshold: float
    gallery: int
    right: Estimate
    wrong: Estimate
    strangers: Estimate


def confuse_people(
    embeddings: Array,
    labels: NDArray[np.integer],
    names: tuple[str, ...],
    *,
    fpir: float = 0.1,
    shown: int = 12,
) -> IdentificationConfusion:
    """Return the confusion matrix of identification.

    As in `identify`, the first image of each identity with several images is enrolled, its others are the
    probes, and identities with one image are strangers. The threshold is that of the false positive
    identification rate on these strangers.

    Args:
        embeddings: Shape (images, dim), unit norm.
        labels: Shape (images,), indices of `names`.
        names: Name of each identity.
        fpir: False positive identification rate.
        shown: How many people, those with the most probes, have a row of their own.

    Raises:
        InputError: If there are fewer than two identities with several images, too few strangers for the
            rate, or an embedding is not of finite numbers.
    """
    if shown < 1:
        raise InputError(f"people shown: expected 1 or more, got {shown}")
    check_finite("embeddings", embeddings)
    enrolled, is_probe = enrol_first(labels)
    probes = labels[is_probe]
    mated = np.isin(probes, labels[enrolled])
    best = search(embeddings[is_probe], embeddings[enrolled])
    found, similarity = labels[enrolled][best.indices[:, 0]], best.similarities[:, 0]
    point = fnir_at_fpir(similarity[mated], (found == probes)[mated], similarity[~mated], fpir)
    accepted = similarity > point.threshold
    # The people with the most probes; of equal ones, the first by name.
    present, counts = np.unique(labels, return_counts=True)
    order = np.lexsort((present, -counts))
    own = np.sort(present[order][: min(shown, len(enrolled))])
    rows = np.where(
        np.isin(probes, own), np.searchsorted(own, probes), np.where(mated, len(own), len(own) + 1)
    )
    others = np.where(found == probes, len(own), len(own) + 1)
    columns = np.where(np.isin(found, own), np.searchsorted(own, found), others)
    columns = np.where(accepted, columns, len(own) + 2)
    matrix = np.zeros((len(own) + 2, len(own) + 3), dtype=np.int64)
    np.add.at(matrix, (rows, columns), 1)
    right = (accepted & (found == probes))[mated]
    return IdentificationConfusion(
        names=tuple(names[label] for label in own.tolist()),
        counts=matrix,
        threshold=point.threshold,
        gallery=len(enrolled),
        right=estimate(right, probes[mated], pooled=True),
        wrong=estimate((accepted & (found != probes))[mated], probes[mated], pooled=True),
        strangers=estimate(accepted[~mated], probes[~mated], pooled=True),
    )


def describe_confusion(
    pairs: VerificationConfusion, people: IdentificationConfusion | None = None
) -> dict[str, Any]:
    """Return the figures of both confusion matrices as one JSON object."""

    def share(figure: Estimate) -> list[float]:
        return [round(value, 5) for value in (figure.value, figure.low, figure.high)]

    described: dict[str, Any] = {
        "threshold": round(pairs.threshold, 4),
        "mated": dict(zip(("accepted", "rejected"), pairs.counts[0].tolist(), strict=True)),
        "nonmated": dict(zip(("accepted", "rejected"), pairs.counts[1].tolist(), strict=True)),
        "tar": share(pairs.tar),
        "fmr": share(pairs.fmr),
    }
    if people is not None:
        described |= {
            "gallery": people.gallery,
            "probes": people.right.comparisons,
            "nonmated_probes": people.strangers.comparisons,
            "identification_threshold": round(people.threshold, 4),
            "right": share(people.right),
            "wrong": share(people.wrong),
            "strangers_accepted": share(people.strangers),
        }
    return described
