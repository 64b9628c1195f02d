"""Whitening of templates.

A cosine weighs every direction of an embedding alike, but templates vary widely along a few directions, which
correlate with sex, age or light, and little along the many that separate one person from another. After
whitening they vary alike along all directions. Whoever holds class centres, or templates of public faces,
knows their covariance.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

#: A fraction of the mean variance, added to the variance of each direction: few templates determine the
#: smallest variances badly.
SHRINKAGE = 0.1
#: Keeps the scales finite where all templates are equal.
_SMALLEST_VARIANCE = 1e-12
#: The number of templates in double precision at once.
_PART = 8192


@dataclass(frozen=True)
class Whitening:
    """Subtracts a mean and scales all directions to one variance.

    Args:
        mean: Shape (dim,).
        matrix: Shape (dim, dim).
    """

    mean: Tensor
    matrix: Tensor

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Return whitened embeddings of unit norm, shape (n, dim), of embeddings, (n, dim)."""
        return F.normalize((embeddings - self.mean) @ self.matrix)

    def to(self, like: Tensor) -> "Whitening":
        """Return the same whitening on a tensor's device, of its type."""
        return Whitening(self.mean.to(like), self.matrix.to(like))


@torch.no_grad()
def whitening_of(templates: Tensor) -> Whitening:
    """Return the symmetric (ZCA) whitening by the mean and covariance of unit-norm templates, (n, dim)."""
    dim = templates.shape[1]
    total = torch.zeros(dim, dtype=torch.float64)
    products = torch.zeros(dim, dim, dtype=torch.float64)
    # On the CPU, since not every device has double precision; in parts, since centres may be hundreds of
    # thousands.
    for part in templates.split(_PART):
        wide = part.cpu().double()
        total += wide.sum(0)
        products += wide.T @ wide
    mean = total / len(templates)
    variances, directions = torch.linalg.eigh(products / len(templates) - torch.outer(mean, mean))
    scales = (variances + SHRINKAGE * variances.mean()).clamp(min=_SMALLEST_VARIANCE).rsqrt()
    found = mean, (directions * scales) @ directions.T
    return Whitening(*(one.to(templates.dtype).to(templates.device) for one in found))
