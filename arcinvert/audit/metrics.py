"""The figures of an audit: pure functions of arrays.

Similarities are higher for one person. A share's interval is at 95 %, by bootstrap over identities,
never over pairs: two comparisons of one person are not two findings.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recognition.errors import InputError
from recognition.metrics.verification import OperatingPoint, tar_at_fmr

Array = NDArray[np.floating[Any]]
Metric = Literal["euclidean", "cosine"]

#: Rows of a similarity matrix at once: what keeps memory flat.
_BLOCK = 256


def similarity_matrix(first: Array, second: Array, metric: Metric) -> Array:
    """Similarities, (n, m), of embeddings (n, dim) and (m, dim).

    Args:
        metric: euclidean is 1 - distance; cosine takes unit-norm embeddings.
    """
    products = first.astype(np.float64) @ second.T.astype(np.float64)
    if metric == "cosine":
        return products
    squares = (first.astype(np.float64) ** 2).sum(1)[:, None] + (second.astype(np.float64) ** 2).sum(1)
    return 1 - np.sqrt(np.maximum(squares - 2 * products, 0))


def paired_similarity(first: Array, second: Array, metric: Metric) -> Array:
    """Similarities along the last axis, broadcast."""
    if metric == "cosine":
        return (first.astype(np.float64) * second).sum(-1)
    return 1 - np.linalg.norm(first.astype(np.float64) - second, axis=-1)


@dataclass(frozen=True)
class Calibrated:
    """A judge's threshold at one false match rate; `point` is None where `refused` says why."""

    fmr: float
    point: OperatingPoint | None
    refused: str | None


def calibrate(mated: Array, nonmated: Array, fmrs: Sequence[float]) -> list[Calibrated]:
    """Thresholds at each rate; refused where the comparisons do not support the claim (rule of three)."""
    found = []
    for fmr in fmrs:
        try:
            found.append(Calibrated(fmr, tar_at_fmr(mated, nonmated, fmr), None))
        except InputError as error:
            found.append(Calibrated(fmr, None, str(error)))
    return found


def accidental_rate(similarities: Array, nonmated: Array) -> Array:
    """Share of non-mated comparisons at least as similar as each: the chance that a stranger does as well.

    One is added to both counts, so that no similarity gets a rate of zero from a finite sample.
    """
    ordered = np.sort(nonmated)
    above = len(ordered) - np.searchsorted(ordered, similarities, side="left")
    return (above + 1) / (len(ordered) + 1)


def pairs_between(
    first: Array, second: Array, labels: NDArray[np.integer], metric: Metric, *, per_identity: int = 10
) -> tuple[Array, Array]:
    """Mated and non-mated similarities of labelled images, every pair of two images once.

    Args:
        first, second: (images, dim), the earlier and the later image's side of a comparison; the same
            array twice where both sides are treated alike.
        labels: (images,).
        per_identity: mated pairs of one identity, at most, the first ones.
    """
    mated, nonmated, used = [np.zeros(0)], [np.zeros(0)], dict.fromkeys(np.unique(labels).tolist(), 0)
    for row in range(len(labels) - 1):
        similarities = similarity_matrix(first[row : row + 1], second[row + 1 :], metric)[0]
        same = labels[row + 1 :] == labels[row]
        nonmated.append(similarities[~same])
        label = int(labels[row])
        own = similarities[same][: max(0, per_identity - used[label])]
        used[label] += len(own)
        mated.append(own)
    return np.concatenate(mated), np.concatenate(nonmated)


def ranks(probes: Array, gallery: Array, own: NDArray[np.integer], metric: Metric) -> NDArray[np.int64]:
    """The rank, from 1, of each probe's own gallery entry; ties count against the probe.

    Args:
        probes: (n, dim); gallery: (m, dim); own: (n,), index into the gallery.
    """
    found = []
    for begin in range(0, len(probes), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        similarities = similarity_matrix(probes[part], gallery, metric)
        mine = np.take_along_axis(similarities, own[part, None], 1)
        # The own entry is at least as similar as itself, and so counts as the first.
        found.append((similarities >= mine).sum(1))
    return np.concatenate(found).astype(np.int64)


def gap_closed(similarity: float, floor: float, ceiling: float) -> float | None:
    """(s - floor) / (ceiling - floor); None where the ceiling does not lie above the floor."""
    return (similarity - floor) / (ceiling - floor) if ceiling > floor else None


def system_linkability(mated: Array, nonmated: Array, *, bins: int | None = None) -> float:
    """D_sys in [0, 1]: 0 where protected templates of one person cannot be linked, 1 where all can.

    Args:
        mated: similarities of one person's templates under different keys; nonmated: of two people's.
        bins: of the histograms; by default the square root of the smaller count, 2 to 100.

    Source: Gomez-Barrero et al., IEEE TIFS 13(6), 2018, with equal priors.
    """
    if bins is None:
        bins = int(np.clip(math.sqrt(min(len(mated), len(nonmated))), 2, 100))
    low, high = min(mated.min(), nonmated.min()), max(mated.max(), nonmated.max())
    if low == high:
        return 0.0
    same = np.histogram(mated, bins, (low, high))[0] / len(mated)
    other = np.histogram(nonmated, bins, (low, high))[0] / len(nonmated)
    total = same + other
    # (LR - 1) / (LR + 1), which is 2 LR / (1 + LR) - 1, without dividing by an empty bin.
    local = np.divide(same - other, total, out=np.zeros_like(total), where=total > 0)
    return float((np.maximum(local, 0) * same).sum())


def frechet_distance(first: Array, second: Array) -> float:
    """Frechet distance of Gaussians fitted to features (n, dim) and (m, dim); biased upwards for few.

    Source: Heusel et al., arXiv:1706.08500.
    """
    first, second = first.astype(np.float64), second.astype(np.float64)
    covariances = [np.atleast_2d(np.cov(features, rowvar=False)) for features in (first, second)]
    # The trace of the root of a product is the sum of the roots of its eigenvalues, taken from a
    # symmetric product with the same eigenvalues.
    values, vectors = np.linalg.eigh(covariances[0])
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariances[1] @ root), 0)).sum()
    means = ((first.mean(0) - second.mean(0)) ** 2).sum()
    return float(means + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * shared)


def kernel_distance(first: Array, second: Array) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel (x.y / dim + 1)^3; may be below 0.

    Source: Binkowski et al., arXiv:1801.01401.
    """
    return _kernel_mean(first, first) + _kernel_mean(second, second) - 2 * _kernel_mean(first, second)


def _kernel_mean(first: Array, second: Array) -> float:
    total, own = 0.0, first is second
    for begin in range(0, len(first), _BLOCK):
        block = first[begin : begin + _BLOCK].astype(np.float64)
        total += float(((block @ second.T / first.shape[1] + 1) ** 3).sum())
    if not own:
        return total / (len(first) * len(second))
    diagonal = float((((first.astype(np.float64) ** 2).sum(1) / first.shape[1] + 1) ** 3).sum())
    return (total - diagonal) / (len(first) * (len(first) - 1))


def diversity(embeddings: Array, metric: Metric) -> float:
    """Mean dissimilarity, 1 - similarity, of all pairs of (n, dim); 0 for copies."""
    similarities = similarity_matrix(embeddings, embeddings, metric)
    return float(1 - similarities[np.triu_indices(len(embeddings), 1)].mean())


#: SSIM's window (standard deviation in pixels, side) and constants for values in 0..255.
_SSIM_SIGMA, _SSIM_SIDE = 1.5, 11
_SSIM_C1, _SSIM_C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Structural similarity of two uint8 HWC images, the mean over places and channels; 1 for equal ones.

    Source: Wang et al., IEEE TIP 13(4), 2004: Gaussian window of 11 pixels, population statistics.
    """
    x, y = first.astype(np.float64), second.astype(np.float64)
    mean_x, mean_y = _window(x), _window(y)
    variance_x, variance_y = _window(x * x) - mean_x**2, _window(y * y) - mean_y**2
    covariance = _window(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _SSIM_C1) / (mean_x**2 + mean_y**2 + _SSIM_C1)
    structure = (2 * covariance + _SSIM_C2) / (variance_x + variance_y + _SSIM_C2)
    return float((luminance * structure).mean())


def _window(values: Array) -> Array:
    """Gaussian means, only where the whole window lies in the image."""
    offsets = np.arange(_SSIM_SIDE) - _SSIM_SIDE // 2
    weights = np.exp(-(offsets**2) / (2 * _SSIM_SIGMA**2))
    weights /= weights.sum()
    for axis in (0, 1):
        values = np.lib.stride_tricks.sliding_window_view(values, _SSIM_SIDE, axis) @ weights
    return values


def receiver_curve(mated: Array, nonmated: Array, rates: Sequence[float]) -> list[float]:
    """TAR at each false match rate that the comparisons can show; the threshold passes at most the share."""
    ordered = np.sort(nonmated)[::-1]
    curve = []
    for rate in rates:
        allowed = min(int(len(ordered) * rate + 1e-9), len(ordered) - 1)
        curve.append(float((mated > ordered[allowed]).mean()))
    return curve
