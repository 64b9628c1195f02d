"""Where an optimisation begins."""

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.options import StartName
from recognition.images import resized

#: Standard deviation of the noise laid on the mean face, so that samples of one identity differ, and
#: its grid: coarse and without colour, since fine grain and coloured spots would stay in the picture.
MEAN_START_NOISE = 0.05
MEAN_START_GRID = 7
#: Standard deviation of a start at noise, around mid-grey: N(0, 1) in the network's own units.
NOISE_START_DEVIATION = 0.5


def make_start(name: StartName, *, seeds: list[int], size: int, mean_face: Tensor) -> Tensor:
    """Starting images, (len(seeds), 3, size, size) in [0, 1]; each depends on its seed alone.

    Args:
        name: `mean` for the mean face with a little noise, `noise` for noise alone.
        mean_face: (3, h, w) in [0, 1], resized where needed; only for `mean`.
    """
    shape = (3, size, size) if name == "noise" else (1, MEAN_START_GRID, MEAN_START_GRID)
    noise = torch.stack([torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    if name == "noise":
        return (0.5 + NOISE_START_DEVIATION * noise).clamp(0, 1)
    coarse = F.interpolate(noise, size, mode="bicubic")
    return (resized(mean_face[None], size) + MEAN_START_NOISE * coarse).clamp(0, 1)
