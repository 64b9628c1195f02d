"""PolyProtect without its key: one record and the templates of public faces.

A unit-norm template's numbers are small, so that the term of exponent 1 outweighs the others, and the record
is close to one number of each run times one coefficient. Only five positions and a hundred coefficients are
to be tried; under the prior, the right position makes the record far more likely than the others do.
"""

import numpy as np
from numpy.typing import NDArray

from arcinvert.evaluation.similarity import Array
from arcinvert.knowledge.template_posterior import known_values
from arcinvert.knowledge.template_prior import TemplatePrior

#: The coefficients of the term of exponent 2 that are tried, of either sign: it is all of the noise.
_SECOND = (3, 8, 15, 25, 35, 45)


def estimate_without_key(record: Array, runs: NDArray[np.int64], largest: int, prior: TemplatePrior) -> Array:
    """Return the posterior mean, (dim,), of a template under the likeliest position and coefficients.

    Where templates have a mean near zero, its negative is nearly as likely, with opposite coefficients.

    Args:
        record: Shape (runs,), what PolyProtect stores.
        runs: Shape (runs, 5), the numbers of the template in each polynomial; some may be beyond its end.
        largest: The largest coefficient.
        prior: The prior of templates.
    """
    dim = len(prior.mean)
    variance = float(np.diag(prior.covariance).mean())
    square = variance + float((prior.mean**2).mean())
    sizes = np.arange(1, largest + 1)
    first = np.concatenate([sizes, -sizes])[:, None]
    best, found = -np.inf, prior.mean
    for numbers in runs.T:
        inside = numbers < dim
        rows = np.eye(dim)[numbers[inside]]
        spreads, axes = np.linalg.eigh(rows @ prior.covariance @ rows.T)
        expected, flat, turned = rows @ prior.mean @ axes, axes.sum(0), record[inside] @ axes
        for second in (*_SECOND, *(-size for size in _SECOND)):
            # Gaussian numbers x of variance v have squares of mean E[x^2] and variance 2 v^2.
            noise = 2.0 * (second * variance) ** 2
            total = first**2 * spreads + noise
            missing = turned - second * square * flat - first * expected
            likelihood = -(np.log(total) + missing**2 / total).sum(1) / 2
            index = int(likelihood.argmax())
            if likelihood[index] > best:
                best = likelihood[index]
                values = record[inside] - second * square
                found = known_values(prior, first[index] * rows, values[None], noise)[0]
    return found
