"""A template in the embedding space of a surrogate, estimated from scores or decisions of a black box.

The attacker knows no embedding of the black box. The model is that the black box's score of a face is linear
in the surrogate's embedding of it, up to noise, since both networks tell the same people apart:

    score = offset + strength * <z, z_person> + noise

where z is an embedding of the surrogate after partial whitening. Public faces give z_person a Gaussian prior,
so that its posterior is known in closed form where scores are known up to rounding, and by expectation
propagation where intervals are.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arcinvert.access.black_box import Answers
from arcinvert.knowledge.template_posterior import known_intervals, known_values
from arcinvert.knowledge.template_prior import TemplatePrior, fit_prior

#: What is added to each variance before whitening, in units of the mean variance: without it, directions that
#: hardly vary would count as much as those that tell people apart.
_WHITENING = 1.0
#: Standard deviations of the offset under the prior: the mean score of strangers, and in decisions the
#: threshold in units of the deviation of scores.
_SCORE_OFFSET, _THRESHOLD_OFFSET = 0.1, 3.0
#: Shares of the variance of scores that the surrogate may explain, of which the most likely one is taken.
_EXPLAINED = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97)
#: That share before there are scores, and where decisions do not determine it.
EXPLAINED_AT_FIRST = 0.5
#: The least variance of the noise of a mixture's score, in units of that of a public face's: embeddings of
#: mixtures are not linear, not even of small parts.
_LEAST_NOISE = 0.05
#: Scores rounded to so few decimals are intervals; finer rounding counts as noise.
_COARSE = 1


@dataclass(frozen=True)
class TemplateEstimate:
    """What is known of a person after some answers.

    Args:
        template: Shape (dim,), unit norm, in the surrogate's embedding space.
        offset: The mean score of strangers; less the threshold where decisions were given.
        weights: Shape (dim,), of whitened embeddings.
        explained: The share of the variance of scores that the surrogate explains.
    """

    template: Answers
    offset: float
    weights: Answers
    explained: float

    def predicted(self, whitened: Answers) -> Answers:
        """Return expected scores, (n,), of whitened embeddings, (n, dim); less the threshold by decisions."""
        return np.asarray(self.offset + whitened @ self.weights)


class TemplateModel:
    """Estimates a person's template from answers about faces that the surrogate embeds.

    Args:
        public: Shape (faces, dim), the surrogate's unit-norm embeddings of public faces.
    """

    def __init__(self, public: Answers) -> None:
        prior = fit_prior(public, public.shape[1])
        values, vectors = np.linalg.eigh(prior.covariance)
        scales = 1 / np.sqrt(values + _WHITENING * values.mean())
        self._mean = prior.mean
        self._whiten = (vectors * scales) @ vectors.T
        self._unwhiten = (vectors / scales) @ vectors.T
        self._prior = (vectors * (values * scales**2)) @ vectors.T
        #: The mean variance of a public face's score under the prior.
        self._typical = self._mean_variance(self.whitened(public))

    def whitened(self, embeddings: Answers) -> Answers:
        """Return whitened embeddings, (n, dim), of the surrogate's, (n, dim)."""
        return np.asarray((embeddings - self._mean) @ self._whiten)

    def from_scores(
        self, whitened: Answers, scores: Answers, decimals: int | None = None
    ) -> TemplateEstimate:
        """Return the posterior mean of a person's template from scores.

        How much of the scores' variance the surrogate explains is chosen by the likelihood of the scores.

        Args:
            whitened: Shape (n, dim), of the faces that were shown.
            scores: Shape (n,).
            decimals: The decimals that scores are rounded to; None for none.
        """
        half = 0.0 if decimals is None else 0.5 * 10.0**-decimals
        rounding = half**2 / 3
        variance = max(float(scores.var()), 1e-8, rounding)
        best, chosen = -np.inf, _EXPLAINED[0]
        squares = np.einsum("nd,de,me->nm", whitened, self._prior, whitened, optimize=True)
        typical = max(float(np.trace(squares)) / len(scores), 1e-12)
        centred = scores - scores.mean()
        for explained in _EXPLAINED:
            covariance = explained * variance / typical * squares + _SCORE_OFFSET**2
            covariance[np.diag_indices(len(scores))] += (1 - explained) * variance + rounding
            factor = np.linalg.cholesky(covariance)
            half_way = np.linalg.solve(factor, centred)
            likelihood = -float(half_way @ half_way) / 2 - float(np.log(np.diag(factor)).sum())
            if likelihood > best:
                best, chosen = likelihood, explained
        strength = np.sqrt(chosen * variance / typical)
        noise = (1 - chosen) * variance
        prior = self._with_offset(strength, float(scores.mean()), _SCORE_OFFSET)
        rows = _with_ones(whitened)
        if decimals is not None and decimals <= _COARSE:
            ends = (scores - half)[None], (scores + half)[None]
            found = known_intervals(prior, rows, *ends, noise=np.full(len(rows), noise))[0]
        else:
            found = known_values(prior, rows, scores[None], noise + rounding)[0]
        return self._estimate(found, strength, chosen)

    def most_informative(
        self, whitened: Answers, shown: NDArray[np.intp], count: int, explained: float
    ) -> NDArray[np.intp]:
        """Return the faces to show next, each the one whose score reduces the template's variance the most.

        The variance is that of the whitened template, summed over its dimensions. It does not depend on the
        scores themselves, but on which faces were shown, and on how noisy scores are.

        Args:
            whitened: Shape (faces, dim), of all faces.
            shown: The indices of those that were shown.
            count: How many are wanted; fewer where fewer are left.
            explained: The share of the variance of scores that the surrogate explains, above 0.
        """
        noise = (1 - explained) / explained * self._mean_variance(whitened)
        # Rows of `spread` are the covariance of the template times a face.
        spread = whitened @ self._prior
        free = np.ones(len(whitened), bool)
        chosen: list[int] = []
        for row in [*shown.tolist(), *[None] * min(count, len(whitened) - len(shown))]:
            variance = (spread * whitened).sum(1) + noise
            if row is None:
                row = int(np.where(free, (spread**2).sum(1) / variance, -1).argmax())
                chosen.append(row)
            free[row] = False
            spread = spread - np.outer(spread @ whitened[row], spread[row]) / variance[row]
        return np.array(chosen, dtype=np.intp)

    def from_decisions(
        self,
        whitened: Answers,
        accepted: Answers,
        origins: NDArray[np.intp] | None = None,
        shares: Answers | None = None,
    ) -> TemplateEstimate:
        """Return the posterior mean of a person's template from decisions at an unknown threshold.

        Mixtures with one image, the origin, share the error of what the surrogate says of it, which a
        reconstruction on the surrogate makes large. So each origin has an unknown error, which counts by the
        origin's part of a mixture.

        Args:
            whitened: Shape (n, dim), of the images that were shown.
            accepted: Shape (n,), 1 for yes and 0 for no.
            origins: Shape (n,), the number of the origin of each, from 0; -1 for none. None: none has one.
            shares: Shape (n,), from 0 to 1, the part of each that is not of its origin.
        """
        shares = np.ones(len(whitened)) if shares is None else shares
        origins = np.full(len(whitened), -1) if origins is None else origins
        # Scores are known up to their scale: their standard deviation is taken as 1.
        strength = np.sqrt(EXPLAINED_AT_FIRST / self._typical)
        unexplained = 1 - EXPLAINED_AT_FIRST
        prior = self._with_offset(strength, -_THRESHOLD_OFFSET, 1.0)
        count = int(origins.max(initial=-1)) + 1
        errors = np.where(origins[:, None] == np.arange(count), (1 - shares)[:, None], 0.0)
        size = len(prior.mean)
        covariance = unexplained * np.eye(size + count)
        covariance[:size, :size] = prior.covariance
        yes = accepted > 0.5
        found = known_intervals(
            TemplatePrior(np.append(prior.mean, np.zeros(count)), covariance),
            np.concatenate([_with_ones(whitened), errors], 1),
            np.where(yes, 0.0, -np.inf)[None],
            np.where(yes, np.inf, 0.0)[None],
            noise=unexplained * np.maximum(shares**2, _LEAST_NOISE),
        )[0]
        return self._estimate(found[:size], strength, EXPLAINED_AT_FIRST)

    def _mean_variance(self, whitened: Answers) -> float:
        return max(float((whitened @ self._prior * whitened).sum(1).mean()), 1e-12)

    def _with_offset(self, strength: float, mean: float, deviation: float) -> TemplatePrior:
        """Return the prior of weights and offset together."""
        dim = len(self._mean)
        covariance = np.zeros((dim + 1, dim + 1))
        # The rest keeps the matrix positive definite where directions do not vary at all.
        covariance[:dim, :dim] = strength**2 * (self._prior + 1e-9 * np.eye(dim))
        covariance[dim, dim] = deviation**2
        return TemplatePrior(np.append(np.zeros(dim), mean), covariance)

    def _estimate(self, found: Answers, strength: float, explained: float) -> TemplateEstimate:
        weights, offset = found[:-1], float(found[-1])
        template = self._mean + (weights / strength) @ self._unwhiten
        return TemplateEstimate(template / np.linalg.norm(template), offset, weights, explained)


def _with_ones(rows: Answers) -> Answers:
    return np.concatenate([rows, np.ones((len(rows), 1))], 1)
