"""Linear maps between the embedding spaces of two networks, fitted on faces that both embed.

Networks that tell the same people apart have embeddings that are nearly affine functions of each other. A map
to a black box makes a surrogate of the attacker's network (arcinvert/access); a map from any network to the
bundled one makes the bundled decoder that network's (mapped_decoder.py).

Source: McNeely-White, Sattelberg, Blanchard and Beveridge, "Canonical face embeddings", IEEE TBIOM 4(2),
2022.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Embeddings = NDArray[np.float64]

#: Shares of the mean variance that are added to the variances of the given embeddings, and the number of
#: folds, in which the share with the least error on faces that were left out is chosen.
_RIDGES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
_FOLDS = 5
#: The fewest faces that a map is fitted on.
FEWEST_FACES = 2 * _FOLDS


@dataclass(frozen=True)
class EmbeddingMap:
    """An affine map between embedding spaces.

    Args:
        matrix: Shape (from, to).
        offset: Shape (to,).
        explained: The share of the variance of the wanted embeddings that the map explains on faces that were
            left out of its fit.
        faces: The number of faces that it was fitted on.
    """

    matrix: Embeddings
    offset: Embeddings
    explained: float
    faces: int

    def __call__(self, embeddings: Embeddings) -> Embeddings:
        """Return mapped embeddings, (n, to), of (n, from); not of unit norm."""
        return np.asarray(embeddings @ self.matrix + self.offset)


def fit_map(given: Embeddings, wanted: Embeddings) -> EmbeddingMap:
    """Return the ridge regression from one network's embeddings to another's, of the same faces.

    Args:
        given: Shape (faces, from), with at least `FEWEST_FACES` faces.
        wanted: Shape (faces, to).

    Source: Hoerl and Kennard, Technometrics 12(1), 1970; the ridge is chosen by cross-validation.
    """
    fold = np.arange(len(given)) % _FOLDS
    errors = np.zeros(len(_RIDGES))
    total = 0.0
    for number in range(_FOLDS):
        kept, left_out = fold != number, fold == number
        mean = wanted[kept].mean(0)
        total += float(((wanted[left_out] - mean) ** 2).sum())
        for index, (matrix, offset) in enumerate(_ridges(given[kept], wanted[kept])):
            errors[index] += float(((given[left_out] @ matrix + offset - wanted[left_out]) ** 2).sum())
    best = int(errors.argmin())
    matrix, offset = _ridges(given, wanted)[best]
    explained = 1 - float(errors[best]) / max(total, np.finfo(np.float64).tiny)
    return EmbeddingMap(matrix, offset, explained, len(given))


def _ridges(given: Embeddings, wanted: Embeddings) -> list[tuple[Embeddings, Embeddings]]:
    """Return matrix and offset for each of the ridges."""
    mean, wanted_mean = given.mean(0), wanted.mean(0)
    values, vectors = np.linalg.eigh(np.cov(given.T, ddof=0).reshape(given.shape[1], -1))
    products = vectors.T @ ((given - mean).T @ (wanted - wanted_mean)) / len(given)
    found = []
    for ridge in _RIDGES:
        scaled = products / (np.maximum(values, 0) + ridge * max(values.mean(), 1e-12))[:, None]
        matrix = vectors @ scaled
        found.append((matrix, wanted_mean - mean @ matrix))
    return found
