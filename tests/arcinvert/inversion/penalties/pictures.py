"""Small images whose penalties can be computed by hand."""

import torch
from torch import Tensor


def some_pixels() -> Tensor:
    """Return two random images, float64."""
    return torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def stripes() -> Tensor:
    """Return one image of columns 0, 1, 0, 1."""
    return torch.tensor([0.0, 1.0, 0.0, 1.0]).expand(1, 3, 4, 4)
