"""Orthonormal directions that a key chooses, each choice as likely as any other."""

import numpy as np

from arcinvert.evaluation.similarity import Array


def random_orthonormal(generator: np.random.Generator, dim: int, count: int) -> Array:
    """Return orthonormal columns, (dim, count), whose distribution no rotation changes (Haar's).

    The signs of a QR decomposition are those of its algorithm: as it leaves them, the columns lean towards
    the negative axes, and the mean of a person's records under many keys would show the template.

    Args:
        generator: What the columns follow from.
        dim: The length of a column.
        count: How many, at most `dim`.

    Source: Mezzadri, Notices of the American Mathematical Society 54(5), 2007, section 5.
    """
    columns, triangle = np.linalg.qr(generator.normal(size=(dim, count)))
    return np.asarray(columns * np.where(np.diag(triangle) < 0, -1.0, 1.0))
