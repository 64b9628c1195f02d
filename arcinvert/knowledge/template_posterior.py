"""Posterior means of templates of which linear functions are known: exactly, up to scale, or by intervals.

Each function takes a Gaussian prior and `rows`, shape (k, dim), the linear functions. The posterior mean is
the estimate of least expected squared error.
"""

import math

import numpy as np
import torch

from arcinvert.knowledge.template_prior import Array, TemplatePrior

#: The quadrature over the unknown scale: its points, and how many standard deviations they reach.
_POINTS, _REACH = 401, 9.0
#: Expectation propagation: its sweeps, the share of each update that is taken, and the change of a mean, in
#: standard deviations of the prior, at which it ends.
_SWEEPS, _STEP, _TOLERANCE = 200, 0.9, 1e-4
#: An interval narrower than this, in standard deviations of what it cuts, counts as uniform.
_NARROW = 1e-3


def known_values(prior: TemplatePrior, rows: Array, values: Array, variance: float) -> Array:
    """Return posterior means, (n, dim), of templates whose linear functions are known up to Gaussian noise.

    Args:
        prior: The prior.
        rows: Shape (k, dim).
        values: Shape (n, k), `rows` times each template plus noise.
        variance: The noise's variance; above zero if there are more rows than dimensions.

    Source: Bishop, "Pattern Recognition and Machine Learning", 2006, equations 2.113 to 2.117.
    """
    missing = values - rows @ prior.mean
    if len(rows) > len(prior.mean):
        precision = np.linalg.inv(prior.covariance) + rows.T @ rows / variance
        return np.asarray(prior.mean + np.linalg.solve(precision, rows.T @ missing.T / variance).T)
    gain, _ = _gain(prior, rows, variance)
    return np.asarray(prior.mean + missing @ gain.T)


def known_directions(prior: TemplatePrior, rows: Array, directions: Array, variance: float) -> Array:
    """Return posterior means, (n, dim), where the values of `known_values` are known up to their scale.

    The scale of each is integrated out under a uniform prior of the values, by quadrature.

    Args:
        prior: The prior.
        rows: Shape (k, dim), with k at most dim.
        directions: Shape (n, k), the values times an unknown positive factor each.
        variance: The variance of the values' noise.

    Source: the density of a Gaussian's direction, Mardia and Jupp, "Directional Statistics", 2000, equation
        3.5.48 (the projected normal distribution); given the scale, `known_values`.
    """
    gain, precision = _gain(prior, rows, variance)
    expected = rows @ prior.mean
    # The density of scale s is s^(k-1) exp(-(square s^2 - 2 cross s) / 2).
    square = ((directions @ precision) * directions).sum(1)[:, None]
    cross = (directions @ precision @ expected)[:, None]
    free = len(rows) - 1
    mode = (cross + np.sqrt(cross**2 + 4 * square * free)) / (2 * square)
    mode = np.maximum(mode, 1e-9 / np.sqrt(square))
    spread = 1 / np.sqrt(square + free / mode**2)
    low = np.maximum(mode - _REACH * spread, 1e-12 * spread)
    scales = low + np.linspace(0, 1, _POINTS) * (mode + _REACH * spread - low)
    logarithm = free * np.log(scales) - (square * scales**2 - 2 * cross * scales) / 2
    weights = np.exp(logarithm - logarithm.max(1, keepdims=True))
    scale = (weights * scales).sum(1, keepdims=True) / weights.sum(1, keepdims=True)
    return np.asarray(prior.mean + (scale * directions - expected) @ gain.T)


def known_intervals(
    prior: TemplatePrior, rows: Array, low: Array, high: Array, *, noise: Array | None = None
) -> Array:
    """Return posterior means, (n, dim), of templates whose linear functions lie in known intervals.

    Expectation propagation approximates them: the posterior is log-concave, where its means are accurate. It
    draws no random numbers.

    Args:
        prior: The prior.
        rows: Shape (k, dim).
        low: Shape (n, k), lower ends; -inf where there is none.
        high: Shape (n, k), upper ends; inf where there is none.
        noise: Shape (k,), variances of Gaussian noise that is added to the linear functions before they are
            compared with the ends; None adds none.

    Source: Minka, UAI 2001; Cunningham, Hennig and Lacoste-Julien, arXiv:1111.6832, 2011, for truncated
        Gaussians.
    """
    root = np.linalg.cholesky(prior.covariance)
    offset, whitened = rows @ prior.mean, rows @ root
    if len(rows) < len(root):
        # The rest of the whitened space is as likely as before, with mean zero.
        basis, triangle = np.linalg.qr(whitened.T)
        root, whitened = root @ basis, triangle.T
    means = [_propagate(offset, whitened, *ends, noise) for ends in zip(low, high, strict=True)]
    return np.asarray(prior.mean + np.array(means).reshape(len(low), root.shape[1]) @ root.T)


def _gain(prior: TemplatePrior, rows: Array, variance: float) -> tuple[Array, Array]:
    """Return what a value adds to the template, (dim, k), and the values' precision, (k, k)."""
    across = rows @ prior.covariance
    precision = np.linalg.inv(across @ rows.T + variance * np.eye(len(rows)))
    return across.T @ precision, precision


def _propagate(offset: Array, rows: Array, low: Array, high: Array, noise: Array | None) -> Array:
    """Return the mean, (dim,), of a standard normal vector w with low < offset + rows w + noise < high.

    Args:
        offset: Shape (k,).
        rows: Shape (k, dim).
        low: Shape (k,).
        high: Shape (k,).
        noise: Shape (k,), variances; None stands for zeros.
    """
    spread = np.linalg.norm(rows, axis=1)
    mean: Array = offset
    variance: Array = np.maximum(spread**2, np.finfo(np.float64).tiny)
    site, site_mean = np.zeros(len(rows)), np.zeros(len(rows))
    found: Array = np.zeros(rows.shape[1])
    for _ in range(_SWEEPS):
        # The cavity: the current marginal without the interval's own factor.
        cavity = np.maximum(1 / variance - site, 1e-10 / variance)
        cavity_mean = (mean / variance - site_mean) / cavity
        matched_mean, matched = _noisy(cavity_mean, 1 / cavity, low, high, noise)
        new = np.maximum(1 / matched - cavity, 0)
        site = (1 - _STEP) * site + _STEP * new
        site_mean = (1 - _STEP) * site_mean + _STEP * ((new + cavity) * matched_mean - cavity * cavity_mean)
        factor = torch.linalg.cholesky(torch.from_numpy(np.eye(rows.shape[1]) + (rows.T * site) @ rows))
        half = _solve(factor, rows.T)
        weighted = rows.T @ (site_mean - site * offset)
        found = _solve(factor.T, _solve(factor, weighted[:, None]), upper=True)[:, 0]
        variance = np.maximum((half**2).sum(0), np.finfo(np.float64).tiny)
        before, mean = mean, offset + rows @ found
        if (np.abs(mean - before) <= _TOLERANCE * spread).all():
            break
    return found


def _noisy(mean: Array, variance: Array, low: Array, high: Array, noise: Array | None) -> tuple[Array, Array]:
    """Return means and variances of normal numbers whose noisy values lie between two ends.

    Args:
        mean: Shape (k,), of the whole normal distributions.
        variance: Shape (k,), of these.
        low: Shape (k,), may be -inf.
        high: Shape (k,), may be inf.
        noise: Shape (k,), variances of the noise; None stands for zeros.
    """
    if noise is None:
        return _truncated(mean, variance, low, high)
    total = variance + noise
    noisy_mean, noisy = _truncated(mean, total, low, high)
    # A number and its noisy value are jointly normal: what is learnt of one is learnt of the other in part.
    gain = variance / total
    return mean + gain * (noisy_mean - mean), variance - gain**2 * (total - noisy)


def _solve(factor: torch.Tensor, right: Array, *, upper: bool = False) -> Array:
    solution = torch.linalg.solve_triangular(
        factor, torch.from_numpy(np.ascontiguousarray(right)), upper=upper
    )
    return np.asarray(solution.numpy())


def _truncated(mean: Array, variance: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """Return means and variances of normal numbers between two ends.

    Args:
        mean: Shape (k,), of the whole normal distributions.
        variance: Shape (k,), of these.
        low: Shape (k,), may be -inf.
        high: Shape (k,), may be inf.
    """
    deviation = np.sqrt(variance)
    lower, upper = (low - mean) / deviation, (high - mean) / deviation
    # In the upper tail probabilities round to 1: the lower tail's mirror image is exact.
    mirrored = lower + upper > 0
    lower, upper = np.where(mirrored, -upper, lower), np.where(mirrored, -lower, upper)
    narrow = upper - lower < _NARROW
    middle = np.where(narrow, (np.where(narrow, lower, 0) + np.where(narrow, upper, 0)) / 2, 0)
    width = np.where(narrow, upper - lower, 1)
    with np.errstate(invalid="ignore"):
        below, above = _log_cdf(lower), _log_cdf(upper)
        mass = above + np.log1p(-np.exp(np.where(narrow, -1, below - above)))
        at_lower, at_upper = (
            np.exp(-(end**2) / 2 - math.log(2 * math.pi) / 2 - mass) for end in (lower, upper)
        )
    shift = np.where(narrow, middle, at_lower - at_upper)
    slopes = (
        np.where(np.isfinite(lower), lower, 0) * at_lower - np.where(np.isfinite(upper), upper, 0) * at_upper
    )
    scale = np.where(narrow, width**2 / 12, np.clip(1 + slopes - shift**2, 1e-8, 1))
    return mean + deviation * np.where(mirrored, -shift, shift), variance * scale


def _log_cdf(ends: Array) -> Array:
    return np.asarray(torch.special.log_ndtr(torch.from_numpy(np.ascontiguousarray(ends))).numpy())
