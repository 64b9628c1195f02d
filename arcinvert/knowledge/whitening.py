"""Templates compared as a network's own spread of them suggests.

A cosine weighs every direction of an embedding alike, but templates lie widely along a few directions, which
tell sex, age or light, and narrowly along the many that tell one person from another. In whitened coordinates
all directions spread alike. Whoever holds class centres, or templates of public faces, knows the spread.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

#: Of the mean variance, added to that of each direction: few templates know little of the narrowest.
SHRINKAGE = 0.1
#: Keeps the scales finite where all templates are one.
_SMALLEST_VARIANCE = 1e-12
#: Templates that are held in double precision at once.
_PART = 8192


@dataclass(frozen=True)
class Whitening:
    """Shifts embeddings by a mean, and brings their directions to one spread.

    Args:
        mean: (dim,).
        matrix: (dim, dim).
    """

    mean: Tensor
    matrix: Tensor

    def __call__(self, embeddings: Tensor) -> Tensor:
        """Embeddings, (n, dim), to whitened ones of unit norm, (n, dim)."""
        return F.normalize((embeddings - self.mean) @ self.matrix)

    def to(self, like: Tensor) -> "Whitening":
        """The same on a tensor's device, of its type."""
        return Whitening(self.mean.to(like), self.matrix.to(like))


@torch.no_grad()
def whitening_of(templates: Tensor) -> Whitening:
    """By the mean and covariance of unit-norm templates, (n, dim); symmetric, so directions stay."""
    dim = templates.shape[1]
    total = torch.zeros(dim, dtype=torch.float64)
    products = torch.zeros(dim, dim, dtype=torch.float64)
    # On the CPU, since not every device has double precision; in parts, since centres may be hundreds of
    # thousands.
    for part in templates.split(_PART):
        wide = part.double().cpu()
        total += wide.sum(0)
        products += wide.T @ wide
    mean = total / len(templates)
    variances, directions = torch.linalg.eigh(products / len(templates) - torch.outer(mean, mean))
    scales = (variances + SHRINKAGE * variances.mean()).clamp(min=_SMALLEST_VARIANCE).rsqrt()
    return Whitening(mean.to(templates), ((directions * scales) @ directions.T).to(templates))
