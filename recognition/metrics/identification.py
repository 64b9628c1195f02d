"""Identification: probes searched in a gallery, closed-set and open-set.

Abbreviations: CMC, cumulative match characteristic; FPIR, false positive identification rate; FNIR, false
negative identification rate; Top-N, the share of probes whose identity is among the N best.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InputError
from recognition.metrics.finite import check_finite
from recognition.metrics.intervals import Estimate, estimate
from recognition.metrics.thresholds import DecisionThreshold, estimate_acceptance, threshold_at_rate

Array = NDArray[np.floating]
#: Most similarities computed at once: 2**24 of float32 are 64 MiB, whatever the gallery's length.
BLOCK = 1 << 24
#: Number of gallery templates in a block.
GALLERY_BLOCK = 1 << 14


@dataclass(frozen=True)
class Search:
    """The best gallery entries of each probe, by falling similarity.

    Args:
        indices: Shape (probes, top), indices of the gallery's entries.
        similarities: Shape (probes, top).
    """

    indices: NDArray[np.int64]
    similarities: NDArray[np.float32]


def search(probes: Array, gallery: Array, *, top: int = 1) -> Search:
    """Return the `top` most similar gallery entries of each probe; of equal ones the earlier comes first.

    Probes and gallery are processed in blocks of at most `BLOCK` similarities, so that a memory-mapped
    gallery of millions is searched in little memory.

    Args:
        probes: Shape (probes, dim), unit norm.
        gallery: Shape (entries, dim), unit norm.
        top: Number of entries, at most the gallery's length.

    Raises:
        InputError: If the dimensions differ, `top` is out of range, or a template is not of finite numbers.
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
        check_finite("similarities", products)
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
    """Return the rank of each probe's identity, from 1: 1 + the number of more similar entries of others.

    Of equal entries the probe's own identity comes last, so that a network that gives all faces the same
    embedding gets no credit.

    Args:
        probes: Shape (probes, dim), unit norm.
        probe_labels: Shape (probes,), identities.
        gallery: Shape (entries, dim), unit norm.
        gallery_labels: Shape (entries,), identities.

    Raises:
        InputError: If a probe's identity is not in the gallery, or a template is not of finite numbers.
    """
    if not np.isin(probe_labels, gallery_labels).all():
        raise InputError("gallery: expected every probe's identity in it, some are not; use mated probes")
    check_finite("embeddings", probes, gallery)
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
    """Return the cumulative match characteristic: the share of ranks up to N, for N from 1 to `longest`."""
    return np.array([(found <= rank).mean() for rank in range(1, longest + 1)])


@dataclass(frozen=True)
class OpenSetPoint:
    """A threshold of open-set search and the rates at it.

    Args:
        threshold: Similarity above which a probe is accepted.
        fpir: The false positive identification rate that the threshold is for.
        realised_fpir: The share of nonmated probes above the threshold.
        fnir: The share of mated probes not found first, or not above the threshold.
        mated: Number of mated probes.
        nonmated: Number of nonmated probes.
    """

    threshold: float
    fpir: float
    realised_fpir: float
    fnir: float
    mated: int
    nonmated: int


def fnir_at_fpir(mated: Array, first: NDArray[np.bool_], nonmated: Array, fpir: float) -> OpenSetPoint:
    """Return the rates of open-set identification at rank one.

    Args:
        mated: The best similarity of each probe whose identity is in the gallery.
        first: Whether that best entry is of the probe's identity.
        nonmated: The best similarity of each probe whose identity is not in the gallery.
        fpir: The share of nonmated probes that may exceed the threshold.

    Raises:
        InputError: If there are too few nonmated probes for the rate, by the rule of three, or a similarity
            is not a number.

    Source: ISO/IEC 19795-1.
    """
    check_finite("similarities", mated)
    if not 0 < fpir < 1:
        raise InputError(f"FPIR: expected a fraction between 0 and 1, got {fpir}")
    if len(nonmated) * fpir < 3:
        raise InputError(
            f"FPIR {fpir:g}: expected at least {math.ceil(3 / fpir):,} nonmated probes (rule of three), got "
            f"{len(nonmated):,}; use more identities or a higher FPIR"
        )
    threshold = threshold_at_rate(nonmated, fpir)
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
    """Closed-set and open-set metrics of a recogniser on labelled embeddings.

    Args:
        cmc: Shape (N,), Top-1 to Top-N.
        points: Open-set rates.
        gallery: Number of identities enrolled, by one image each.
        probes: Number of mated probes.
        nonmated: Number of nonmated probes.
        top_1: Top-1 with its 95 % interval over identities.
        fnir_estimates: The false negative rate at each point with its 95 % interval, over the people of both
            kinds of probes.
    """

    cmc: NDArray[np.float64]
    points: tuple[OpenSetPoint, ...]
    gallery: int
    probes: int
    nonmated: int
    top_1: Estimate
    fnir_estimates: tuple[Estimate, ...] = ()


def identify(
    embeddings: Array,
    labels: NDArray[np.integer],
    *,
    fpirs: tuple[float, ...] = (0.1, 0.01),
    longest: int = 20,
    seed: int = 0,
) -> Identification:
    """Return identification metrics of labelled embeddings.

    The first image of each identity with several images is enrolled, and the others are mated probes.
    Identities with one image are not enrolled; they are the nonmated probes.

    Args:
        embeddings: Shape (images, dim), unit norm.
        labels: Shape (images,), identities.
        fpirs: False positive identification rates; those with too few nonmated probes are left out.
        longest: Longest list of the cumulative match characteristic.
        seed: Seed of the bootstrap.

    Raises:
        InputError: If there are fewer than two identities with several images, or an embedding is not of
            finite numbers.
    """
    check_finite("embeddings", embeddings)
    enrolled, is_probe = enrol_first(labels)
    return identify_probes(
        embeddings[is_probe],
        labels[is_probe],
        embeddings[enrolled],
        labels[enrolled],
        fpirs=fpirs,
        longest=longest,
        seed=seed,
    )


def enrol_first(labels: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the image that is enrolled of each identity with several, and which images are probes.

    The first image of such an identity is enrolled; all others, strangers' single ones too, are probes.

    Args:
        labels: Shape (images,), identities.

    Raises:
        InputError: If there are fewer than two identities with several images.
    """
    _, first_images, counts = np.unique(labels, return_index=True, return_counts=True)
    enrolled = first_images[counts >= 2]
    if len(enrolled) < 2:
        raise InputError(
            f"identification: expected at least 2 identities with two images, got {len(enrolled)}"
        )
    is_probe = np.ones(len(labels), dtype=np.bool_)
    is_probe[enrolled] = False
    return enrolled, is_probe


def identify_probes(
    probes: Array,
    probe_labels: NDArray[np.integer],
    gallery: Array,
    gallery_labels: NDArray[np.integer],
    *,
    fpirs: tuple[float, ...] = (0.1, 0.01),
    longest: int = 20,
    seed: int = 0,
) -> Identification:
    """Return identification metrics of probes searched in a gallery.

    Probes of people who are not enrolled are the nonmated ones.

    Args:
        probes: Shape (probes, dim), unit norm.
        probe_labels: Shape (probes,), identities.
        gallery: Shape (entries, dim), unit norm.
        gallery_labels: Shape (entries,), identities, each once or several times.
        fpirs: False positive identification rates; those with too few nonmated probes are left out.
        longest: Longest list of the cumulative match characteristic.
        seed: Seed of the bootstrap.

    Raises:
        InputError: If no probe's identity is enrolled, or a template is not of finite numbers.
    """
    enrolled = np.isin(probe_labels, gallery_labels)
    if longest < 1:
        raise InputError(f"top: expected 1 or more, got {longest}")
    if wrong := [fpir for fpir in fpirs if not 0 < fpir < 1]:
        raise InputError(f"fpir: expected rates between 0 and 1, got {wrong[0]:g}")
    if not enrolled.any():
        raise InputError("probes: expected one at least whose identity is in the gallery, got none")
    mated, mated_labels = probes[enrolled], probe_labels[enrolled]
    nonmated, nonmated_labels = probes[~enrolled], probe_labels[~enrolled]
    found = ranks(mated, mated_labels, gallery, gallery_labels)
    points, estimates = [], []
    if len(nonmated):
        best = search(mated, gallery)
        right = gallery_labels[best.indices[:, 0]] == mated_labels
        other = search(nonmated, gallery).similarities[:, 0]
        for fpir in fpirs:
            if len(other) * fpir < 3:
                continue
            points.append(fnir_at_fpir(best.similarities[:, 0], right, other, fpir))
            estimates.append(
                _estimate_fnir(
                    np.where(right, best.similarities[:, 0], -np.inf),
                    mated_labels,
                    other,
                    nonmated_labels,
                    points[-1],
                )
            )
    return Identification(
        cmc=cmc(found, min(longest, len(gallery))),
        points=tuple(points),
        gallery=len(gallery),
        probes=len(mated),
        nonmated=len(nonmated),
        top_1=estimate(found == 1, mated_labels, pooled=True, seed=seed),
        fnir_estimates=tuple(estimates),
    )


def _estimate_fnir(
    found: Array,
    labels: NDArray[np.integer],
    other: Array,
    other_labels: NDArray[np.integer],
    point: OpenSetPoint,
) -> Estimate:
    """Return a false negative identification rate with its interval over both kinds of probes.

    Args:
        found: The best similarity of each mated probe; minus infinity where it is of another identity.
        labels: The identities of the mated probes.
        other: The best similarity of each nonmated probe.
        other_labels: Their identities.
        point: The threshold.
    """
    realised = estimate(other > point.threshold, other_labels, pooled=True)
    low, high = (threshold_at_rate(other, rate) for rate in (realised.high, realised.low))
    threshold = DecisionThreshold(
        point.fpir, point.threshold, min(low, point.threshold), max(high, point.threshold)
    )
    hits = estimate_acceptance(found, labels, threshold, pooled=True)
    return Estimate(1 - hits.value, 1 - hits.high, 1 - hits.low, hits.identities, hits.comparisons)


def describe_identification(metrics: Identification) -> dict[str, Any]:
    """Return the metrics as a flat JSON object."""
    described: dict[str, Any] = {
        f"top_{rank}": round(float(metrics.cmc[rank - 1]), 5)
        for rank in (1, 5, 10, 20)
        if rank <= len(metrics.cmc)
    }
    described |= {
        "top_1_interval": [round(metrics.top_1.low, 5), round(metrics.top_1.high, 5)],
        "chance": round(1 / metrics.gallery, 5),
        "gallery": metrics.gallery,
        "mated_probes": metrics.probes,
    }
    for point, fnir in zip(metrics.points, metrics.fnir_estimates, strict=True):
        described[f"fnir_at_fpir_{point.fpir:g}"] = round(point.fnir, 5)
        described[f"fnir_interval_{point.fpir:g}"] = [round(fnir.low, 5), round(fnir.high, 5)]
        described[f"realised_fpir_{point.fpir:g}"] = round(point.realised_fpir, 5)
    return described | {"nonmated_probes": metrics.nonmated}
