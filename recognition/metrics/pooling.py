"""Pooling: one template from several photographs of a person, and what it gains over one photograph.

Abbreviations: FMR, false match rate; TAR, true accept rate. Rank-1 is the share of probes whose own template
is the most similar one of a gallery.

Source: Deng et al., arXiv:1801.07698v3, section 3.1, which averages the embeddings of a template's images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InputError
from recognition.metrics.finite import check_finite
from recognition.metrics.identification import ranks
from recognition.metrics.intervals import Estimate, estimate, estimate_share_difference
from recognition.metrics.shares import exact_interval
from recognition.metrics.thresholds import require_people, threshold_at_rate

Array = NDArray[np.floating[Any]]
#: Numbers of photographs in a template that are compared by default.
SIZES = (1, 2, 3, 5, 8)


@dataclass(frozen=True)
class PooledPoint:
    """Templates of some photographs beside templates of one, of the same people and the same probes.

    All shares count every person alike, and have 95 % intervals over people.

    Args:
        photographs: Number of photographs in a template.
        people: Number of people who have so many photographs and one more, the probe.
        probes: Number of probes: all further photographs of these people.
        tar: TAR of the pooled templates at the FMR.
        single_tar: TAR of their photographs one by one.
        gain: The first less the second, paired by person.
        rank_1: Rank-1 of the pooled templates.
        single_rank_1: Rank-1 of their photographs one by one.
        similarity: Mean similarity of a probe and its pooled template.
        single_similarity: Mean similarity of a probe and one photograph.
    """

    photographs: int
    people: int
    probes: int
    tar: Estimate
    single_tar: Estimate
    gain: Estimate
    rank_1: Estimate
    single_rank_1: Estimate
    similarity: Estimate
    single_similarity: Estimate


def pool(embeddings: Array) -> NDArray[np.float64]:
    """Return the template of one person's embeddings, shape (dim,): their mean, unit norm.

    Args:
        embeddings: Shape (photographs, dim), unit norm.
    """
    total = embeddings.astype(np.float64).sum(0)
    return total / max(float(np.linalg.norm(total)), np.finfo(np.float64).tiny)


def measure_pooling(
    embeddings: Array, labels: NDArray[np.integer], *, fmr: float = 1e-3, sizes: Sequence[int] = SIZES
) -> list[PooledPoint]:
    """Return what pooling gains, for each number of photographs that two people or more have.

    The first photographs of a person make the template, and all further ones are probes. The threshold of
    each kind of template is the one at which a share `fmr` of their comparisons with all photographs of all
    other people is accepted. In the gallery of rank-1 are the templates of these people and the first
    photograph of everybody else.

    Args:
        embeddings: Shape (images, dim), unit norm.
        labels: Shape (images,), identities.
        fmr: False match rate.
        sizes: Numbers of photographs in a template.

    Raises:
        InputError: If a size is below 1, there are too few people for the rate, no size has two people, or an
            embedding is not of finite numbers.
    """
    check_finite("embeddings", embeddings)
    if min(sizes, default=0) < 1:
        raise InputError(f"photographs of a template: expected numbers from 1, got {list(sizes)}")
    require_people(fmr, len(np.unique(labels)))
    points = []
    names, counts = np.unique(labels, return_counts=True)
    for size in sorted(set(sizes)):
        chosen = names[counts > size]
        if len(chosen) >= 2:
            points.append(_measure(embeddings, labels, chosen, size, fmr))
    if not points:
        raise InputError(
            f"pooling: expected two people with more than {min(sizes)} photographs, got fewer; use smaller "
            "templates"
        )
    return points


def _measure(
    embeddings: Array, labels: NDArray[np.integer], chosen: NDArray[np.integer], size: int, fmr: float
) -> PooledPoint:
    images = {name: np.flatnonzero(labels == name) for name in chosen.tolist()}
    enrolled = np.concatenate([own[:size] for own in images.values()])
    probes = np.concatenate([own[size:] for own in images.values()])
    _, firsts = np.unique(labels, return_index=True)
    strangers = firsts[~np.isin(labels[firsts], chosen)]
    pooled = np.stack([pool(embeddings[own[:size]]) for own in images.values()])
    singles = embeddings[enrolled].astype(np.float64)
    of_pooled = _shares(pooled, chosen, embeddings, labels, probes, fmr)
    of_singles = _shares(singles, labels[enrolled], embeddings, labels, probes, fmr)
    gallery_of = (embeddings[strangers], labels[strangers])
    found = _is_first(pooled, chosen, embeddings, labels, probes, gallery_of)
    # Each of the photographs in its turn is the gallery's of its person.
    turns = [
        _is_first(singles[turn::size], chosen, embeddings, labels, probes, gallery_of) for turn in range(size)
    ]
    people = labels[probes]
    single_found = np.mean(turns, axis=0)
    tar, single_tar = _by_person(of_pooled.accepted, people), _by_person(of_singles.accepted, people)
    return PooledPoint(
        photographs=size,
        people=len(chosen),
        probes=len(probes),
        tar=_share(tar),
        single_tar=_share(single_tar),
        gain=estimate_share_difference(tar, single_tar),
        rank_1=_share(_by_person(found, people)),
        single_rank_1=_share(_by_person(single_found, people)),
        similarity=estimate(of_pooled.similarity, people),
        single_similarity=estimate(of_singles.similarity, people),
    )


@dataclass(frozen=True)
class _Shares:
    """Of each probe: the share of its person's templates that accept it, and their mean similarity."""

    accepted: NDArray[np.float64]
    similarity: NDArray[np.float64]


def _shares(
    templates: Array,
    owners: NDArray[np.integer],
    embeddings: Array,
    labels: NDArray[np.integer],
    probes: NDArray[np.int64],
    fmr: float,
) -> _Shares:
    products = templates @ embeddings.T
    threshold = threshold_at_rate(products[owners[:, None] != labels[None]], fmr)
    own = owners[:, None] == labels[probes][None]
    mated = products[:, probes]
    count = own.sum(0)
    return _Shares((own & (mated > threshold)).sum(0) / count, np.where(own, mated, 0).sum(0) / count)


def _is_first(
    templates: Array,
    owners: NDArray[np.integer],
    embeddings: Array,
    labels: NDArray[np.integer],
    probes: NDArray[np.int64],
    others: tuple[Array, NDArray[np.integer]],
) -> NDArray[np.bool_]:
    """Return whether the most similar entry of the gallery is the probe's own, shape (probes,)."""
    gallery = np.concatenate([templates, others[0]])
    found = ranks(embeddings[probes], labels[probes], gallery, np.concatenate([owners, others[1]]))
    return found == 1


def _by_person(values: NDArray[Any], people: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the mean of each person's values, in the order of the sorted people."""
    _, place = np.unique(people, return_inverse=True)
    return np.bincount(place, values) / np.bincount(place)


def _share(of_people: NDArray[np.float64]) -> Estimate:
    """Return the mean of people's shares with the exact interval of as many people."""
    low, high = exact_interval(of_people.sum(), len(of_people))
    return Estimate(float(of_people.mean()), float(low), float(high), len(of_people), len(of_people))


def describe_pooling(points: Sequence[PooledPoint], fmr: float) -> list[dict[str, Any]]:
    """Return the points as flat JSON objects; a share is followed by the ends of its interval."""

    def share(figure: Estimate) -> list[float]:
        return [round(value, 4) for value in (figure.value, figure.low, figure.high)]

    return [
        {
            "photographs": point.photographs,
            "people": point.people,
            "probes": point.probes,
            f"tar_at_fmr_{fmr:g}": share(point.tar),
            f"single_tar_at_fmr_{fmr:g}": share(point.single_tar),
            "gain": share(point.gain),
            "rank_1": share(point.rank_1),
            "single_rank_1": share(point.single_rank_1),
            "similarity": share(point.similarity),
            "single_similarity": share(point.single_similarity),
        }
        for point in points
    ]
