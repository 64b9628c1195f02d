"""Identification figures: probes searched in a gallery, closed-set and open-set."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InputError
from recognition.metrics.intervals import Estimate, estimate
from recognition.metrics.verification import threshold_at_fmr

Array = NDArray[np.floating]
#: Similarities computed at once, at most: 16 Mi float32 are 64 MiB, whatever the gallery's length.
BLOCK = 1 << 24
#: Gallery templates in a block.
GALLERY_BLOCK = 1 << 14


@dataclass(frozen=True)
class Search:
    """The best gallery entries of each probe, (probes, top): indices, and similarities falling."""

    indices: NDArray[np.int64]
    similarities: NDArray[np.float32]


def search(probes: Array, gallery: Array, *, top: int = 1) -> Search:
    """The `top` most similar gallery entries of each probe; of equals found the earlier comes first.

    Both sides are taken in blocks: beside the arrays themselves it needs `BLOCK` similarities, so that
    a memory-mapped gallery of millions is searched in little memory.

    Args:
        probes: (probes, dim), unit norm.
        gallery: (entries, dim), unit norm.
        top: how many, at most the gallery's length.

    Raises:
        InputError: the dimensions differ, or `top` is out of range.
    """
    if probes.ndim != 2 or gallery.ndim != 2 or probes.shape[1] != gallery.shape[1]:
        raise InputError(
            f"gallery: expected templates of the probes' shape (n, {probes.shape[-1]}), got {gallery.shape}"
        )
    if not 1 <= top <= len(gallery):
        raise InputError(f"top: expected 1 to the gallery's {len(gallery)} entries, got {top}")
    indices = np.zeros((len(probes), top), dtype=np.int64)
    similarities = np.zeros((len(probes), top), dtype=np.float32)
    rows = max(1, BLOCK // GALLERY_BLOCK)
    for begin in range(0, len(probes), rows):
        inside = slice(begin, begin + rows)
        indices[inside], similarities[inside] = _search_block(probes[inside], gallery, top)
    return Search(indices, similarities)


def _search_block(probes: Array, gallery: Array, top: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    best = np.full((len(probes), 0), -np.inf, dtype=np.float32)
    found = np.zeros((len(probes), 0), dtype=np.int64)
    for begin in range(0, len(gallery), GALLERY_BLOCK):
        block = np.asarray(gallery[begin : begin + GALLERY_BLOCK])
        products = (probes @ block.T).astype(np.float32)
        keep = min(top, len(block))
        candidates = np.argpartition(-products, keep - 1, axis=1)[:, :keep]
        candidates.sort(axis=1)
        best = np.concatenate([best, np.take_along_axis(products, candidates, 1)], 1)
        found = np.concatenate([found, candidates + begin], 1)
        order = np.argsort(-best, axis=1, kind="stable")[:, :top]
        best, found = np.take_along_axis(best, order, 1), np.take_along_axis(found, order, 1)
    return found, best


def ranks(
    probes: Array,
    probe_labels: NDArray[np.integer],
    gallery: Array,
    gallery_labels: NDArray[np.integer],
) -> NDArray[np.int64]:
    """The rank, 1 the best, of each probe's identity: 1 + the entries of others that are more similar.

    Of equals the probe's own identity comes last: a network that cannot tell gets no credit.

    Raises:
        InputError: a probe's identity is not in the gallery.
    """
    if not np.isin(probe_labels, gallery_labels).all():
        raise InputError("gallery: expected every probe's identity in it, some are not; use mated probes")
    found = np.zeros(len(probes), dtype=np.int64)
    rows = max(1, BLOCK // GALLERY_BLOCK)
    for begin in range(0, len(probes), rows):
        inside = slice(begin, begin + rows)
        labels = probe_labels[inside, None]
        own = np.full((len(labels), 1), -np.inf)
        for block, names in _blocks(gallery, gallery_labels):
            products = probes[inside] @ block.T
            own = np.maximum(own, np.where(labels == names, products, -np.inf).max(1, keepdims=True))
        for block, names in _blocks(gallery, gallery_labels):
            products = probes[inside] @ block.T
            found[inside] += ((products >= own) & (labels != names)).sum(1)
    return found + 1


def _blocks(gallery: Array, labels: NDArray[np.integer]) -> list[tuple[Array, NDArray[np.integer]]]:
    return [
        (gallery[begin : begin + GALLERY_BLOCK], labels[begin : begin + GALLERY_BLOCK])
        for begin in range(0, len(gallery), GALLERY_BLOCK)
    ]


def cmc(found: NDArray[np.integer], longest: int) -> NDArray[np.float64]:
    """The cumulative match characteristic: the share of ranks up to N, for N = 1 to `longest`."""
    return np.array([(found <= rank).mean() for rank in range(1, longest + 1)])


@dataclass(frozen=True)
class OpenSetPoint:
    """A threshold of open-set search and what it does: fractions, with the counts they rest on."""

    threshold: float
    fpir: float
    realised_fpir: float
    fnir: float
    mated: int
    nonmated: int


def fnir_at_fpir(mated: Array, first: NDArray[np.bool_], nonmated: Array, fpir: float) -> OpenSetPoint:
    """Open-set identification, rank one.

    Args:
        mated: the best similarity of each probe whose identity is in the gallery.
        first: whether that best entry is of the probe's identity.
        nonmated: the best similarity of each probe whose identity is not.
        fpir: the share of non-mated probes that may exceed the threshold.

    Returns:
        FNIR: the share of mated probes not found first, or not above the threshold.

    Raises:
        InputError: too few non-mated probes for the rate, by the rule of three.

    Source: ISO/IEC 19795-1.
    """
    threshold = threshold_at_fmr(nonmated, fpir)
    return OpenSetPoint(
        threshold=threshold,
        fpir=fpir,
        realised_fpir=float((nonmated > threshold).mean()),
        fnir=float(1 - (first & (mated > threshold)).mean()),
        mated=len(mated),
        nonmated=len(nonmated),
    )


@dataclass(frozen=True)
class Identification:
    """Closed-set and open-set figures of one recogniser on labelled embeddings.

    Args:
        cmc: (N,), Top-1 to Top-N.
        points: open-set.
        gallery, probes, nonmated: identities enrolled by one image each, mated and non-mated probes.
        top_1: with its 95 % interval over identities.
    """

    cmc: NDArray[np.float64]
    points: tuple[OpenSetPoint, ...]
    gallery: int
    probes: int
    nonmated: int
    top_1: Estimate


def identify(
    embeddings: Array,
    labels: NDArray[np.integer],
    *,
    fpirs: tuple[float, ...] = (0.1, 0.01),
    longest: int = 20,
    seed: int = 0,
) -> Identification:
    """Enrol the first image of each identity that has several; its others are mated probes.

    Identities with one image are not enrolled: they are the non-mated probes.

    Raises:
        InputError: there are fewer than two identities with several images.
    """
    names, places, counts = np.unique(labels, return_index=True, return_counts=True)
    enrolled = places[counts >= 2]
    if len(enrolled) < 2:
        raise InputError(
            f"identification: expected at least 2 identities with two images, got {len(enrolled)}"
        )
    several = np.isin(labels, names[counts >= 2])
    is_probe = several.copy()
    is_probe[enrolled] = False
    probes, probe_labels = embeddings[is_probe], labels[is_probe]
    gallery, gallery_labels = embeddings[enrolled], labels[enrolled]
    found = ranks(probes, probe_labels, gallery, gallery_labels)
    strangers = embeddings[~several]
    points = []
    if len(strangers):
        best = search(probes, gallery)
        right = gallery_labels[best.indices[:, 0]] == probe_labels
        other = search(strangers, gallery).similarities[:, 0]
        points = [
            fnir_at_fpir(best.similarities[:, 0], right, other, fpir)
            for fpir in fpirs
            if len(other) * fpir >= 3
        ]
    return Identification(
        cmc=cmc(found, min(longest, len(enrolled))),
        points=tuple(points),
        gallery=len(enrolled),
        probes=len(probes),
        nonmated=len(strangers),
        top_1=estimate(found == 1, probe_labels, pooled=True, seed=seed),
    )


def describe_identification(figures: Identification) -> dict[str, Any]:
    """The figures as one flat JSON object."""
    described: dict[str, Any] = {
        f"top_{rank}": round(float(figures.cmc[rank - 1]), 5)
        for rank in (1, 5, 10, 20)
        if rank <= len(figures.cmc)
    }
    described |= {
        "top_1_interval": [round(figures.top_1.low, 5), round(figures.top_1.high, 5)],
        "chance": round(1 / figures.gallery, 5),
        "gallery": figures.gallery,
        "mated_probes": figures.probes,
    }
    for point in figures.points:
        described[f"fnir_at_fpir_{point.fpir:g}"] = round(point.fnir, 5)
        described[f"realised_fpir_{point.fpir:g}"] = round(point.realised_fpir, 5)
    return described | {"nonmated_probes": figures.nonmated}
