"""Random vectors of unit norm."""

import torch
import torch.nn.functional as F
from torch import Tensor


def unit(*shape: int, seed: int) -> Tensor:
    """Return random vectors of unit norm, float64, of this shape."""
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)
