"""MLP-Hash: signs of a random multi-layer perceptron (MLP) that the key chooses."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from arcinvert.audit.defences.base import Adversary, TemplateDefence, for_each_key, unit_norm
from arcinvert.audit.defences.orthonormal import random_orthonormal
from arcinvert.evaluation.similarity import Array
from arcinvert.knowledge.template_posterior import known_intervals
from arcinvert.knowledge.template_prior import TemplatePrior

#: Hidden layers, and their width in multiples of the template's dimensions.
_LAYERS, _WIDTH = 3, 2
#: The adversary's passes; the draws of a pass in multiples of the dimensions; and the factor of the prior's
#: covariance from which the draws of all passes but the first come.
_PASSES, _DRAWS, _NARROWER = 3, 4, 0.5
#: The ridge of a fit, as a share of the mean variance of a template's numbers.
_RIDGE = 1e-6


class MlpHash(TemplateDefence):
    """Keeps which outputs of a keyed random perceptron exceed the mean of the outputs.

    The perceptron has three hidden layers of twice the template's width with rectified linear units and
    without biases; all weights are orthonormal. The adversary, who holds the key, replaces it by the linear
    functions that fit it best on likely templates, with the misfit as noise, takes the posterior mean given
    the bits, and fits again around it.

    Source: Otroshi Shahreza, Krivokuća Hahn and Marcel, EUSIPCO 2023, arXiv:2204.11054; the adversary,
        iterated statistical linearisation as for PolyProtect, with expectation propagation for the bits.
    """

    name, keyed = "mlp-hash", True
    strength_means, default, minimum, maximum = "bits, in multiples of the dimensions", 1.0, 0.01, 2.0
    attacker = "posterior mean under a Gaussian prior by statistical linearisation"
    same_estimate = True

    def weights(self, key: int, dim: int) -> list[Array]:
        """Return the weights of a key, from the first layer to the last; each of shape (outputs, inputs)."""
        generator = np.random.default_rng(key)
        sizes = [dim, *[_WIDTH * dim] * _LAYERS, max(2, round(self.strength * dim))]
        weights = []
        for inputs, outputs in pairwise(sizes):
            orthonormal = random_orthonormal(generator, max(inputs, outputs), min(inputs, outputs))
            weights.append(orthonormal if outputs >= inputs else orthonormal.T)
        return weights

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        dim = templates.shape[1]

        def bits(key: int, rows: Array) -> Array:
            return np.where(_centred_outputs(self.weights(key, dim), rows) > 0, 1.0, -1.0)

        return unit_norm(for_each_key(templates, keys, bits))

    def recover(self, protected: Array, keys: Sequence[int], adversary: Adversary) -> Array:
        prior = adversary.prior

        def estimates(key: int, records: Array) -> Array:
            weights = self.weights(key, adversary.dim)
            return np.stack([_estimate(record > 0, weights, prior) for record in records])

        return unit_norm(for_each_key(protected, keys, estimates))


def _centred_outputs(weights: Sequence[Array], templates: Array) -> Array:
    """Return the perceptron's outputs less each template's mean output, (n, outputs)."""
    features = templates
    for layer in weights[:-1]:
        features = np.maximum(features @ layer.T, 0)
    outputs = features @ weights[-1].T
    return np.asarray(outputs - outputs.mean(axis=1, keepdims=True))


def _estimate(bits: Array, weights: Sequence[Array], prior: TemplatePrior) -> Array:
    """Return the posterior mean, (dim,), of the template of one record's bits, (outputs,)."""
    low, high = np.where(bits, 0.0, -np.inf), np.where(bits, np.inf, 0.0)
    # Drawn anew for each record, so that nobody's estimate depends on another's record.
    generator = np.random.default_rng(0)
    root = np.linalg.cholesky(prior.covariance)
    mean, spread = prior.mean, root
    for _ in range(_PASSES):
        half = generator.normal(size=(_DRAWS * len(root) // 2, len(root))) @ spread.T
        slopes, constants, misfit = _fitted(weights, mean, np.concatenate([half, -half]))
        ends = (low - constants)[None], (high - constants)[None]
        mean = known_intervals(prior, slopes, *ends, noise=misfit)[0]
        spread = np.sqrt(_NARROWER) * root
    return mean


def _fitted(weights: Sequence[Array], mean: Array, around: Array) -> tuple[Array, Array, Array]:
    """Return the linear functions that fit the outputs best on some templates.

    Args:
        weights: The perceptron's.
        mean: Shape (dim,), the mean of the templates.
        around: Shape (n, dim), what is added to the mean to give the templates; of mean zero.

    Returns:
        The slopes, (outputs, dim), the constants, (outputs,), and the variances of the misfit, (outputs,).
    """
    outputs = _centred_outputs(weights, mean + around)
    expected = outputs.mean(axis=0)
    draws, dim = around.shape
    squares = around.T @ around
    squares += _RIDGE * np.trace(squares) / dim * np.eye(dim)
    slopes = np.linalg.solve(squares, around.T @ (outputs - expected)).T
    misfit = np.square(outputs - expected - around @ slopes.T).sum(axis=0) / (draws - dim)
    return slopes, expected - slopes @ mean, misfit
